/** Reports policies and routes that the audit does not read: what they open, cut or lead to is in no other finding. */
import { ROUTE_KINDS } from '../exposure/routes.ts';
import type { Check } from '../check.ts';
import type { KindName } from '../snapshot.ts';
import { referenceOf } from '../exposure/objects.ts';
import { UNREAD_KINDS } from '../../engines/layers/unread-kinds.ts';

/** Kinds that checks go by if they may be listed, with their names in the API. */
const OPTIONAL_KINDS: readonly (readonly [kind: KindName, crd: string])[] = [
  ...(['ListenerSet', ...ROUTE_KINDS] as const).map(
    (kind) => [kind, `${kind.toLowerCase()}s.gateway.networking.k8s.io`] as const,
  ),
  ['XListenerSet', 'xlistenersets.gateway.networking.x-k8s.io'],
  ...UNREAD_KINDS.map(({ kind, plural, group }) => [kind, `${plural}.${group}`] as const),
];

export const kindUnread: Check = {
  id: 'kind-unread',
  title: 'Every policy and route is of a kind that the audit reads',
  severity: 'low',
  category: 'Boundary',
  controls: [],
  why: 'A policy that nobody reads may open what profiles deny, or cut what they allow, and no other finding tells.',
  remedy:
    "Compare the object with the profiles of its namespace by hand, or write it as a profile's rule or a NetworkPolicy.",
  needs: [],
  run: (context, report) => {
    const { snapshot } = context;
    for (const { kind, engine } of UNREAD_KINDS) {
      for (const object of snapshot.objects(kind)) {
        // A profile's own policies carry what the profile allows.
        const isOwn = snapshot.ownerOf(object) !== undefined;
        if (isOwn || !context.audits(object)) continue;
        const message = `the audit does not read this kind of ${engine}: what it allows or denies is compared with nothing`;
        report({ object: referenceOf(kind, object), message });
      }
    }
    for (const { object, apiVersion } of snapshot.unreadObjects ?? []) {
      if (!context.audits({ metadata: object })) continue;
      const message = `the audit does not read ${apiVersion} of this kind: nothing is known of what it allows, denies or leads to`;
      report({ object, field: 'apiVersion', message });
    }
    for (const name of snapshot.unreadDefinitions ?? []) {
      report({
        object: { kind: 'CustomResourceDefinition', name },
        // Nobody knows if there are objects of it.
        severity: 'info',
        message:
          'the audit does not know this kind of policies: what they allow or deny is compared with nothing',
      });
    }
    for (const [kind, name] of OPTIONAL_KINDS) {
      if (snapshot.isRead(kind)) continue;
      report({
        object: { kind: 'CustomResourceDefinition', name },
        message: 'objects of this kind could not be listed: the other findings are without them',
        remedy: `Give the permission to list ${name.split('.')[0]} of ${name.slice(name.indexOf('.') + 1)}.`,
      });
    }
  },
};

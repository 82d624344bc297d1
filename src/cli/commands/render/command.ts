/** `render`: prints the policies of profiles exactly as the operator writes them. */
import type { KubeObject, LabelSelector } from '../../../api/meta.ts';
import { LABEL_PROFILE } from '../../../api/names.ts';
import type { Connection, SegmentationProfile } from '../../../api/profile.ts';
import { connectionText, unusedConnections } from '../../../policy/connections/usage.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { asksForOverlay } from '../../../policy/mesh.ts';
import { notesOf, noteText } from '../../../policy/notes.ts';
import type { Command } from '../../shell/command.ts';
import { EXIT } from '../../shell/failure.ts';
import { objectsText, table } from '../../shell/output.ts';
import { selectorText } from '../../shell/text.ts';
import { isUnderWay, rolloutNotes } from '../../snapshot/rollout-notes.ts';
import { namespacesNamed, profilesNamed } from '../../snapshot/select.ts';
import { stagedGuards, writtenGuards } from '../../../snapshot/guards/guards.ts';
import { overlaysOf } from '../../../snapshot/mesh/overlays.ts';
import type { ProfileIntent, Snapshot } from '../../../snapshot/snapshot.ts';
import type { Terminal } from '../../shell/terminal.ts';
import { counted } from '../../../util/list-text.ts';

export const render: Command = {
  name: 'render',
  summary: 'print the NetworkPolicies that profiles stand for',
  usage: '[PROFILE ...]',
  words: [0, Number.POSITIVE_INFINITY],
  description: [
    'Prints the NetworkPolicies of each namespace that a profile selects, exactly as the operator writes them: for\n' +
      'review, for GitOps, and for clusters without the operator. Of a profile under Audit, it prints those that\n' +
      'Enforce would write.',
    'In a cluster, each namespace has the policies of the revision that a rollout has brought to it; a note says where\n' +
      'that is not the latest.',
    'If the file of --config names a network engine whose policies the operator writes (engine: Cilium, engine: Calico),\n' +
      'it prints those too: also the staged policies of a profile under Audit. If it has `guard`, it prints guards: on\n' +
      'Calico also the staged ones of profiles and guards under Audit. If it names a mesh (mesh: Istio) of which the\n' +
      'webhooks and the configuration are known, it prints the overlays.',
    'Exits with 1 when a peer of a rule can not be resolved: what is printed then lacks what that peer allows.',
  ],
  examples: [
    { what: 'every policy of every profile of the cluster', line: 'render' },
    {
      what: 'what a profile on disk stands for, in the namespaces of a folder',
      line: 'render -f shop.yaml -f namespaces/',
    },
    { what: 'what it would stand for in the cluster', line: 'render -f shop.yaml --cluster' },
    {
      what: 'without an operator',
      line: 'kubectl segmentation render shop -n shop-checkout | kubectl apply -f -',
    },
  ],
  flags: [],
  formats: ['yaml', 'json', 'table', 'wide', 'name'],
  takes: { cluster: true, namespaces: true },
  completes: 'profiles',
  async run({ words, format, terminal, namespace, load }) {
    const snapshot = await load();
    const profiles = profilesNamed(snapshot, words);
    const namespaces = new Set(namespacesNamed(snapshot, namespace).map(({ name }) => name));
    const intents = snapshot
      .intents()
      .filter((intent) => profiles.includes(intent.profile) && namespaces.has(intent.namespace.name));
    const written = [...writtenGuards(snapshot, true), ...stagedGuards(snapshot)];
    const guards = written.filter((guard) =>
      profiles.some(({ metadata }) => metadata.name === profileOf(guard)),
    );
    const overlays = (overlaysOf(snapshot, true) ?? []).filter((each) => namespaces.has(each.namespace.name));
    const ofMesh = overlays
      .flatMap(({ objects }) => objects)
      .filter((object) => profiles.some(({ metadata }) => metadata.name === profileOf(object)));
    print(intents, { guards, ofMesh }, format, terminal);
    for (const profile of profiles) {
      for (const connection of unusedConnectionsOf(profile, snapshot)) {
        terminal.warn(
          `profile ${profile.metadata.name}: no end of connection ${connectionText(connection)} lies in a selected namespace, so no policy carries it`,
        );
      }
    }
    addRemarks(intents, profiles.length, snapshot, terminal);
    const isPrinted = (name: string, profile: SegmentationProfile) =>
      namespaces.has(name) && profiles.includes(profile);
    for (const each of rolloutNotes(snapshot, isPrinted)) terminal.note(each);
    return warnOfUnresolved(intents, terminal) > 0 ? EXIT.no : EXIT.yes;
  },
};

function profileOf({ metadata }: KubeObject): string | undefined {
  return metadata.labels?.[LABEL_PROFILE];
}

interface FurtherObjects {
  readonly guards: readonly KubeObject[];
  /** AuthorizationPolicies and PeerAuthentications. */
  readonly ofMesh: readonly KubeObject[];
}

function print(
  intents: readonly ProfileIntent[],
  { guards, ofMesh }: FurtherObjects,
  format: string,
  terminal: Terminal,
): void {
  const policies = intents.flatMap((intent) => intent.policies);
  const extensions = [
    ...intents.flatMap((intent) => [...intent.extensions, ...intent.staged]),
    ...ofMesh,
    ...guards,
  ];
  if (format === 'yaml' || format === 'json') {
    terminal.write(objectsText([...policies, ...extensions], format));
  } else if (format === 'name') {
    // The form in which kubectl names created objects.
    for (const { metadata } of policies) terminal.print(`networkpolicy.networking.k8s.io/${metadata.name}`);
    for (const extension of extensions) terminal.print(extensionName(extension));
  } else if (policies.length > 0) {
    const wide = format === 'wide';
    terminal.print(
      table(
        ['NAMESPACE', 'NAME', 'POD-SELECTOR', 'DIRECTIONS', 'RULES', ...(wide ? ['FOR'] : [])],
        [
          ...policies.map((policy) => policyRow(policy, wide)),
          ...extensionRows(intents, wide),
          ...stagedRows(intents, wide),
          ...ofMesh.map((object) => overlayRow(object, wide)),
          ...guards.map((guard) => guardRow(guard, wide)),
        ],
      ),
    );
  }
}

function policyRow(policy: NetworkPolicy, wide: boolean): string[] {
  const { spec, metadata } = policy;
  return [
    metadata.namespace ?? '',
    metadata.name,
    selectorText(spec.podSelector ?? {}),
    (spec.policyTypes ?? []).join(','),
    String((spec.ingress ?? []).length + (spec.egress ?? []).length),
    ...(wide ? [rulesText(policy)] : []),
  ];
}

function extensionRows(intents: readonly ProfileIntent[], wide: boolean): string[][] {
  return intents.flatMap((intent) => intent.extensions.map((each) => extensionRow(each, intent, wide)));
}

function extensionRow(extension: KubeObject, { compiled }: ProfileIntent, wide: boolean): string[] {
  const { name, namespace = '' } = extension.metadata;
  // Engines may put a prefix before the names.
  const compiledFrom = compiled.extensions.find(({ metadata }) => `.${name}`.endsWith(`.${metadata.name}`));
  return [
    namespace,
    extensionName(extension),
    selectorText(compiledFrom?.podSelector ?? {}),
    compiledFrom?.direction ?? '',
    String(notesOf(extension).length),
    ...(wide ? [rulesText(extension)] : []),
  ];
}

/** A staged policy is of the policy of that name, or of an extension. */
function stagedRows(intents: readonly ProfileIntent[], wide: boolean): string[][] {
  return intents.flatMap((intent) =>
    intent.staged.map((object) => {
      const policy = intent.compiled.policies.find(({ metadata }) => metadata.name === object.metadata.name);
      if (policy === undefined) return extensionRow(object, intent, wide);
      const [namespace = '', , ...rest] = policyRow(policy, wide);
      return [namespace, extensionName(object), ...rest];
    }),
  );
}

/** An overlay is about what its pods let in. */
function overlayRow(object: KubeObject & { readonly spec?: object }, wide: boolean): string[] {
  const { selector, rules = [] } = (object.spec ?? {}) as {
    readonly selector?: LabelSelector;
    readonly rules?: readonly object[];
  };
  return [
    object.metadata.namespace ?? '',
    extensionName(object),
    selectorText(selector ?? {}),
    'Ingress',
    String(rules.length),
    ...(wide ? [rulesText(object)] : []),
  ];
}

/** A guard is of no namespace, and for all pods of those that it selects. */
function guardRow(guard: KubeObject & { readonly spec?: object }, wide: boolean): string[] {
  const { ingress = [], egress = [] } = (guard.spec ?? {}) as Readonly<Record<string, readonly object[]>>;
  const directions = [...(ingress.length > 0 ? ['Ingress'] : []), ...(egress.length > 0 ? ['Egress'] : [])];
  const rules = String(ingress.length + egress.length);
  return ['', extensionName(guard), '<none>', directions.join(','), rules, ...(wide ? ['guard'] : [])];
}

/** `KIND.GROUP/NAME`, as kubectl names objects. */
export function extensionName({ apiVersion = '', kind = '', metadata }: KubeObject): string {
  return `${kind.toLowerCase()}.${apiVersion.split('/')[0]}/${metadata.name}`;
}

/** Notes that nothing is selected, that a profile is under Audit, and that a policy has another name. */
function addRemarks(
  intents: readonly ProfileIntent[],
  profiles: number,
  snapshot: Snapshot,
  terminal: Terminal,
): void {
  if (intents.length === 0) {
    terminal.warn(
      profiles === 0
        ? `no SegmentationProfile in ${snapshot.origin === 'manifests' ? 'the manifests' : snapshot.origin}`
        : `no namespace is selected: of ${counted(snapshot.namespaces.length, 'namespace')}, none has the labels that the profiles ask for`,
    );
  }
  const audited = intents.filter(({ relation }) => relation === 'audit');
  for (const name of new Set(audited.map(({ profile }) => profile.metadata.name))) {
    const isStaged = audited.some(
      ({ profile, staged }) => profile.metadata.name === name && staged.length > 0,
    );
    const written = isStaged ? 'only the staged ones of its policies' : 'none of its policies';
    terminal.note(`profile ${name} is under Audit: the operator writes ${written}`);
  }
  for (const note of overlayNotes(intents, snapshot)) terminal.note(note);
  const allowsDNS = intents.some(({ policies }) =>
    policies.some((policy) => notesOf(policy).some((note) => note?.peer === 'entity ClusterDNS')),
  );
  if (snapshot.assumesDNS && allowsDNS) {
    const { namespace, service, podSelector } = snapshot.configuration.clusterDNS;
    terminal.note(
      `the manifests have no Service ${namespace}/${service}: DNS is taken to be pods ${selectorText(podSelector)} there, on port 53`,
    );
  }
  for (const { conflicts, profile, namespace } of intents) {
    for (const name of conflicts) {
      terminal.note(
        `profile ${profile.metadata.name} in ${namespace.name}: the name ${name} is taken, so another stands for it`,
      );
    }
  }
}

/** Where the overlay of a profile is not known, and why. */
export function overlayNotes(intents: readonly ProfileIntent[], snapshot: Snapshot): string[] {
  const asking = intents.filter(({ profile: { spec } }) => asksForOverlay(spec.mesh));
  const overlays = overlaysOf(snapshot, true);
  if (overlays === undefined) {
    const facts = snapshot.facts.mesh();
    const reason = facts === undefined || facts.kind === 'available' ? '' : `: ${facts.message}`;
    const names = new Set(asking.map(({ profile }) => profile.metadata.name));
    return [...names].map(
      (name) =>
        `profile ${name} asks for identities of the mesh, and its AuthorizationPolicies and PeerAuthentications are not known here${reason}`,
    );
  }
  return overlays.flatMap(({ namespace: { name }, state, profiles }) => {
    if (!asking.some((each) => each.namespace.name === name)) return [];
    const isStrict = profiles.some(({ spec }) => spec.mesh?.mtls === 'Strict');
    if (state === 'outside')
      return [`there are no AuthorizationPolicies for ${name} here: the namespace is not in the mesh`];
    if (state === 'untunnelled')
      return [
        `there are no AuthorizationPolicies for ${name} here: ambient mode needs baseline.mesh: Allow and mesh.authorization: Enforce`,
      ];
    return state === 'ambient' && isStrict
      ? [
          `PeerAuthentications for ${name} are those that are there: only the operator knows which pods ztunnel carries`,
        ]
      : [];
  });
}

/**
 * The profile's connections of which no end lies in a namespace that it selects; none if it selects no namespace, or if not all
 * of them have its latest revision.
 */
export function unusedConnectionsOf(profile: SegmentationProfile, snapshot: Snapshot): readonly Connection[] {
  const intents = snapshot.intents().filter((intent) => intent.profile === profile);
  if (intents.length === 0 || isUnderWay(profile, snapshot)) return [];
  return unusedConnections(
    profile,
    intents.map(({ compiled }) => compiled.connections),
  );
}

/** Warns of each unresolved peer once, and returns their number. */
export function warnOfUnresolved(intents: readonly ProfileIntent[], terminal: Terminal): number {
  const known = new Set<string>();
  for (const { profile, namespace, compiled } of intents) {
    for (const { rule, end, peer, message, hasLastKnown } of compiled.unresolved) {
      const key = `${profile.metadata.name} ${rule} ${end} ${peer}`;
      if (known.has(key)) continue;
      known.add(key);
      terminal.warn(
        `profile ${profile.metadata.name}, ${end === undefined ? `rule ${rule}` : `connection ${rule}, end ${end}`}, in ${namespace.name}: ${peer} is not resolved: ${message}` +
          (hasLastKnown ? ' (what was known last stands for it)' : ''),
      );
    }
  }
  return known.size;
}

/** The rules and connections of the profile that a policy has in it. */
function rulesText(policy: KubeObject): string {
  const notes = notesOf(policy).filter((note) => note !== undefined);
  return [...new Set(notes.map(noteText))].join(', ') || 'isolation';
}

/** Converts a profile step by step, each of which is proven to change no flow. Pure. */
import type {
  Connection,
  EgressRule,
  IngressRule,
  ProfileSpec,
  SegmentationProfile,
} from '../../../api/profile.ts';
import { matches } from '../../../policy/semantics/selector.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { candidatesFor } from './candidates.ts';
import type { Proof } from './proof.ts';

type Field = 'ingress' | 'egress';

export type Step =
  /** The rules, by their names, became a connection. */
  | {
      readonly kind: 'connect';
      readonly egress: string;
      readonly ingress: string;
      readonly connection: Connection;
    }
  /** The rule is written in these namespaces only. */
  | {
      readonly kind: 'scope';
      readonly field: Field;
      readonly rule: string;
      readonly names: readonly string[];
    };

export interface Conversion {
  readonly profile: SegmentationProfile;
  readonly steps: readonly Step[];
}

/** @throws CliError if selectors use too many labels for a proof */
export function convertProfile(profile: SegmentationProfile, snapshot: Snapshot, proof: Proof): Conversion {
  const connected = connect(profile, proof);
  return scope(connected, snapshot, proof);
}

/** Replaces pairs of rules by connections. */
function connect(profile: SegmentationProfile, proof: Proof): Conversion {
  let current = profile;
  const steps: Step[] = [];
  for (const egress of profile.spec.egress ?? []) {
    for (const ingress of current.spec.ingress ?? []) {
      const found = connected(current, { egress, ingress }, proof);
      if (found === undefined) continue;
      steps.push({
        kind: 'connect',
        egress: egress.name,
        ingress: ingress.name,
        connection: found.connection,
      });
      current = found.profile;
      break;
    }
  }
  return { profile: current, steps };
}

function connected(
  profile: SegmentationProfile,
  { egress, ingress }: { readonly egress: EgressRule; readonly ingress: IngressRule },
  proof: Proof,
): { readonly profile: SegmentationProfile; readonly connection: Connection } | undefined {
  const { connections = [] } = profile.spec;
  const rest = {
    egress: (profile.spec.egress ?? []).filter((rule) => rule !== egress),
    ingress: (profile.spec.ingress ?? []).filter((rule) => rule !== ingress),
  };
  const taken = new Set([...connections, ...rest.egress, ...rest.ingress].map(({ name }) => name));
  for (const connection of candidatesFor(egress, ingress, taken)) {
    const changed = withSpec(profile, { ...rest, connections: [...connections, connection] });
    if (proof.isSame(profile, changed)) return { profile: changed, connection };
  }
  return undefined;
}

/** Writes rules for some pods only in the namespaces that have such pods, where that changes no flow. */
function scope({ profile, steps }: Conversion, snapshot: Snapshot, proof: Proof): Conversion {
  let current = profile;
  const all = [...steps];
  const selected = snapshot
    .intents()
    .filter((intent) => intent.profile.metadata.name === profile.metadata.name)
    .map(({ namespace }) => namespace.name);
  for (const field of ['ingress', 'egress'] as const) {
    for (const { name, podSelector, inNamespaces } of profile.spec[field] ?? []) {
      if (podSelector === undefined || inNamespaces !== undefined) continue;
      const names = selected.filter((namespace) =>
        snapshot.pods.some((pod) => pod.namespace === namespace && matches(podSelector, pod.labels)),
      );
      if (names.length === 0 || names.length === selected.length) continue;
      const rules = (current.spec[field] ?? []) as readonly IngressRule[];
      const scoped = rules.map((rule) => (rule.name === name ? { ...rule, inNamespaces: { names } } : rule));
      const changed = withSpec(current, { [field]: scoped });
      if (!proof.isSame(current, changed)) continue;
      current = changed;
      all.push({ kind: 'scope', field, rule: name, names });
    }
  }
  return { profile: current, steps: all };
}

function withSpec(profile: SegmentationProfile, spec: Partial<ProfileSpec>): SegmentationProfile {
  return { ...profile, spec: { ...profile.spec, ...spec } };
}

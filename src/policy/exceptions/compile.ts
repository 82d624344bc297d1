/**
 * Compiles an exception to NetworkPolicies of its own, which carry its name, its reason and its end. Pure.
 *
 * The rules of an exception are those of a profile without baseline that selects one namespace. So they are compiled as
 * such a profile, and its policies get the names, labels and owner of the exception. There is no default-deny among them,
 * and only the directions that the granting profile isolates: they only add to what is allowed.
 */
import type { SegmentationException } from '../../api/exception.ts';
import {
  API_VERSION,
  ANNOTATION_RULES,
  EXCEPTION_KIND,
  EXCEPTION_STAND_IN,
  exceptionPolicyName,
  LABEL_END,
  LABEL_EXCEPTION,
  LABEL_PROFILE,
  LABEL_ROLE,
  LABEL_RULE,
  policyName,
} from '../../api/names.ts';
import type { ObjectMeta, OwnerReference } from '../../api/meta.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { Baseline, SegmentationProfile } from '../../api/profile.ts';
import { compile, type LastKnown, type UnresolvedPeer } from '../compile.ts';
import type { ExtensionPolicy } from '../extensions.ts';
import type { ClusterFacts, NamespaceFacts } from '../facts.ts';
import { excess } from '../limits.ts';
import { formatNotes, notesOf } from '../notes.ts';
import { NOTHING_KNOWN } from '../peers/last-known.ts';
import { withRules } from '../semantics/normalize.ts';
import { NOTHING } from '../semantics/selector.ts';
import { rfc3339 } from '../../util/rfc3339.ts';

export interface CompiledException {
  /** Sorted by name; none if one of them is too large. */
  readonly policies: readonly NetworkPolicy[];
  /** The extensions that the network engine carries beside the policies. */
  readonly extensions: readonly ExtensionPolicy[];
  readonly unresolved: readonly UnresolvedPeer[];
  /** Why the API server would refuse one of the policies for its size. */
  readonly excess?: string;
}

export interface ExceptionContext {
  readonly namespace: NamespaceFacts;
  readonly cluster: ClusterFacts;
  readonly lastKnown?: LastKnown | undefined;
}

/** The exception as it is granted: by a profile, until a moment in milliseconds since the epoch. */
export interface Granted {
  readonly profile: SegmentationProfile;
  readonly end: number;
}

export function compileException(
  exception: SegmentationException,
  granted: Granted,
  { namespace, cluster, lastKnown = NOTHING_KNOWN }: ExceptionContext,
): CompiledException {
  const nameOf = (compiled: string) =>
    exceptionPolicyName(granted.profile.metadata.name, exception.metadata.name, compiled);
  const { policies, extensions, unresolved } = compile(
    standIn(exception, granted.profile),
    namespace,
    cluster,
    {
      rules: (policy, direction, rule, peer) => lastKnown.rules(nameOf(policy), direction, rule, peer),
      selection: (policy, direction) => lastKnown.selection(nameOf(policy), direction),
    },
  );
  const own = policies
    .filter(({ metadata }) => metadata.labels?.[LABEL_ROLE] !== 'default-deny')
    .map((policy) => ownPolicy(policy, nameOf(policy.metadata.name), exception, granted));
  const tooLarge = own.map(excess).find((each) => each !== undefined);
  if (tooLarge !== undefined) return { policies: [], extensions: [], unresolved, excess: tooLarge };
  const carried = extensions.map((each) =>
    ownExtension(each, nameOf(each.metadata.name), exception, granted),
  );
  const ends = own.length > 0 ? [] : carried.flatMap((each) => endOf(each, nameOf(compiledName(each))));
  return { policies: [...own, ...ends], extensions: carried, unresolved };
}

/** The name of the policy beside which an extension stands. */
function compiledName({ metadata: { labels = {} }, direction }: ExtensionPolicy): string {
  const role = direction === 'Ingress' ? 'ingress' : 'egress';
  return policyName(EXCEPTION_STAND_IN, role, labels[LABEL_RULE], labels[LABEL_END]);
}

/**
 * A policy that allows nothing, for an exception of which only extensions allow something: the end of an exception is read back
 * from its NetworkPolicies. Its only peer is no pod.
 */
function endOf(
  { metadata, podSelector, direction, rules: [first] }: ExtensionPolicy,
  name: string,
): NetworkPolicy[] {
  if (first === undefined) return [];
  const annotations = { ...metadata.annotations, [ANNOTATION_RULES]: formatNotes([first.note]) };
  const spec = withRules({ podSelector, policyTypes: [direction] }, direction, [
    { peers: [{ podSelector: NOTHING }] },
  ]);
  return [
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { ...metadata, name, annotations },
      spec,
    },
  ];
}

const NOTHING_ALLOWED: Baseline = {
  dns: 'Deny',
  admissionWebhooks: 'Deny',
  sameNamespace: 'Deny',
  kubeAPIServer: 'Deny',
  ingressControllers: 'Deny',
  monitoring: 'Deny',
  mesh: 'Deny',
};

/** The profile that stands for the exception. Cached: what a profile compiles to is cached by the profile. */
function standIn(
  exception: SegmentationException,
  { spec: { isolation } }: SegmentationProfile,
): SegmentationProfile {
  const known = standIns.get(exception);
  if (known !== undefined && known.spec.isolation.join() === isolation.join()) return known;
  const { ingress, egress, connections } = exception.spec;
  const profile: SegmentationProfile = {
    metadata: { name: EXCEPTION_STAND_IN },
    spec: {
      mode: 'Enforce',
      namespaceSelector: {},
      isolation,
      deletionPolicy: 'Delete',
      baseline: NOTHING_ALLOWED,
      ...(ingress && { ingress }),
      ...(egress && { egress }),
      ...(connections && { connections }),
    },
  };
  standIns.set(exception, profile);
  return profile;
}

const standIns = new WeakMap<SegmentationException, SegmentationProfile>();

function ownPolicy(
  policy: NetworkPolicy,
  policyName: string,
  exception: SegmentationException,
  { profile, end }: Granted,
): NetworkPolicy {
  const {
    metadata: { name },
    spec: { reason },
  } = exception;
  const notes = notesOf(policy);
  const described = new Map(notes.map((note) => [note?.rule, undefined as string | undefined]));
  for (const note of notes) if (note?.description) described.set(note.rule, note.description);
  const noted = notes.map((note) => {
    if (note === undefined) return undefined;
    const own = described.get(note.rule);
    const description = own === undefined ? reason : `${reason}: ${own}`;
    return { ...note, exception: name, until: rfc3339(end), description };
  });
  const metadata = ownMetadata(policy.metadata, policyName, exception, profile);
  const annotations = { ...metadata.annotations, [ANNOTATION_RULES]: formatNotes(noted) };
  return { ...policy, metadata: { ...metadata, annotations } };
}

function ownExtension(
  extension: ExtensionPolicy,
  policyName: string,
  exception: SegmentationException,
  { profile, end }: Granted,
): ExtensionPolicy {
  const {
    metadata: { name },
    spec: { reason: description },
  } = exception;
  const own = { exception: name, until: rfc3339(end), description };
  return {
    ...extension,
    metadata: ownMetadata(extension.metadata, policyName, exception, profile),
    rules: extension.rules.map((each) => ({ ...each, note: { ...each.note, ...own } })),
  };
}

function ownMetadata(
  { labels, ...metadata }: ObjectMeta,
  name: string,
  exception: SegmentationException,
  profile: SegmentationProfile,
): ObjectMeta {
  const { uid } = exception.metadata;
  return {
    ...metadata,
    name,
    labels: {
      ...labels,
      [LABEL_PROFILE]: profile.metadata.name,
      [LABEL_ROLE]: 'exception',
      [LABEL_EXCEPTION]: exception.metadata.name,
    },
    ...(uid && { ownerReferences: [ownerReference(exception.metadata.name, uid)] }),
  };
}

function ownerReference(name: string, uid: string): OwnerReference {
  return {
    apiVersion: API_VERSION,
    kind: EXCEPTION_KIND,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: false,
  };
}

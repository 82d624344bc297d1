/**
 * The pods of a cluster, for an audit: equal pods of a workload are kept once, with the addresses of all. Checks judge
 * workloads, so that replicas need not take memory. Pure.
 */
import { createHash } from 'node:crypto';
import type { KubeObject } from '../api/meta.ts';
import { parseAddress, parseCidr } from '../policy/semantics/cidr.ts';
import { AUDITED_SPEC, controllerOf, isFinished, POD_COUNT } from '../snapshot/pods.ts';

/** A pod as a projection keeps it for an audit. Pods of equal specs share AUDITED_SPEC. */
type KeptPod = KubeObject & {
  readonly spec?: { readonly nodeName?: string };
  readonly status?: { readonly podIPs?: readonly { readonly ip: string }[] | null };
  readonly [AUDITED_SPEC]?: object;
};

interface PodGroup {
  readonly first: KeptPod;
  /** The addresses of each pod, as texts with a comma between the families. */
  readonly addresses: string[];
}

interface KnownSpec {
  readonly number: number;
  /** The fields that a projection keeps for all commands, without the node. */
  readonly trimmed: object;
}

export class PodGroups {
  readonly #groups = new Map<string, PodGroup>();
  readonly #specs = new Map<object | undefined, KnownSpec>();

  /** Takes a pod. A finished pod has no network, and is left out. */
  add(pod: KeptPod): void {
    if (isFinished(pod)) return;
    const addresses = (pod.status?.podIPs ?? []).map(({ ip }) => ip).join();
    const spec = this.#specOf(pod);
    const key = keyOf(pod, spec);
    const group = this.#groups.get(key);
    if (group === undefined) {
      const first = { ...pod, spec: spec.trimmed, status: {} };
      this.#groups.set(key, { first, addresses: [addresses] });
    } else group.addresses.push(addresses);
  }

  /** True if it is so for some pod. Pods of a group differ in names and addresses only. */
  some(isMeant: (pod: KubeObject) => boolean): boolean {
    return this.#groups.values().some(({ first }) => isMeant(first));
  }

  /** A Pod for each group; for each part of it, if policies by `ranges` may tell the addresses of its pods apart. */
  *pods(ranges: AddressRanges): Generator<KubeObject> {
    for (const { first, addresses } of this.#groups.values()) {
      const parts = Map.groupBy(addresses, (own) =>
        own
          .split(',')
          .map((ip) => ranges.rangeOf(ip))
          .join(),
      );
      for (const [index, part] of [...parts.values()].entries()) {
        const name = index === 0 ? first.metadata.name : `${first.metadata.name}/${index}`;
        const podIPs = part.flatMap((own) => (own === '' ? [] : own.split(',').map((ip) => ({ ip }))));
        const merged = { metadata: { ...first.metadata, name }, status: { phase: 'Running', podIPs } };
        yield { ...first, ...merged, [POD_COUNT]: part.length } as KubeObject;
      }
    }
  }

  #specOf(pod: KeptPod): KnownSpec {
    const audited = pod[AUDITED_SPEC];
    const known = this.#specs.get(audited);
    if (known !== undefined) return known;
    const { nodeName: _, ...trimmed } = pod.spec ?? {};
    const spec = { number: this.#specs.size, trimmed };
    this.#specs.set(audited, spec);
    return spec;
  }
}

function keyOf({ metadata }: KeptPod, spec: KnownSpec): string {
  const { namespace, name, labels, annotations } = metadata;
  const { kind, name: owner } = controllerOf(metadata) ?? { kind: 'Pod', name };
  const parts = JSON.stringify([namespace, kind, owner, labels, annotations, spec.number]);
  return createHash('sha1').update(parts).digest('base64');
}

/** The ranges between the borders of CIDRs: two addresses of one range are in exactly the same CIDRs. */
export class AddressRanges {
  readonly #borders: readonly bigint[];

  /** @param texts CIDRs; other texts are left out */
  constructor(texts: Iterable<string>) {
    const borders = new Set<bigint>();
    for (const text of new Set(texts)) {
      const cidr = parseCidr(text);
      if (cidr === undefined) continue;
      borders.add(placed(cidr.family, cidr.first)).add(placed(cidr.family, cidr.last + 1n));
    }
    this.#borders = [...borders].sort((a, b) => (a < b ? -1 : 1));
  }

  /** The number of the address's range; -1 for a text that is no address. */
  rangeOf(ip: string): number {
    const address = parseAddress(ip);
    if (address === undefined) return -1;
    const place = placed(address.family, address.value);
    let [low, high] = [0, this.#borders.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#borders[middle] ?? 0n) <= place) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** IPv6 addresses after all IPv4 addresses. */
function placed(family: 4 | 6, value: bigint): bigint {
  return family === 4 ? value : value + (1n << 33n);
}

/** All texts in a value that may be CIDRs. */
export function* cidrTexts(value: unknown): Generator<string> {
  if (typeof value === 'string') {
    if (/^[0-9a-fA-F.:]+\/\d+$/.test(value)) yield value;
  } else if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) yield* cidrTexts(each);
  }
}

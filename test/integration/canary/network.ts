// A network of two nodes with pods, made of Linux network namespaces: each pod is one, and each node is one that routes
// for its pods. The tests' own namespace stands for the API server's network. Needs root, `ip` and `nft`.
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';

/** Why no such network can be made here; undefined if it can. */
export function unavailable(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  for (const tool of ['ip', 'nft']) {
    const { error } = spawnSync(tool, ['-V'], { stdio: 'ignore' });
    if (error !== undefined) return `${tool} is not installed`;
  }
  const name = `probe-${randomBytes(3).toString('hex')}`;
  const { status, stderr } = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (status !== 0) return `ip netns add: ${stderr.trim()}`;
  const filter = spawnSync('ip', ['netns', 'exec', name, 'nft', 'add table inet probe'], {
    encoding: 'utf8',
  });
  spawnSync('ip', ['netns', 'del', name]);
  return filter.status === 0 ? undefined : `nft: ${filter.stderr.trim()}`;
}

/** Runs a command, and throws with its output if it fails. */
function run(command: string, ...args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stderr } = error as { stderr: string };
    throw new Error(`${command} ${args.join(' ')}: ${stderr}`, { cause: error });
  }
}

/** The next hop of every pod, on the node's end of its link. */
const GATEWAY = '169.254.1.1';

export type NodeName = 'node-1' | 'node-2';
const NODES: readonly NodeName[] = ['node-1', 'node-2'];

export interface PodNetwork {
  /** The name of its network namespace, for `ip netns exec`. */
  readonly namespace: string;
  readonly node: NodeName;
  readonly ips: readonly string[];
}

export class Network {
  readonly #id = `c${randomBytes(2).toString('hex')}`;
  /** The second octet of all addresses: several networks can exist side by side. */
  readonly #octet = 64 + ((randomBytes(1)[0] ?? 0) % 128);
  readonly #pods = new Map<string, PodNetwork>();
  #count = 0;

  constructor() {
    for (const node of NODES) {
      const index = this.#index(node);
      run('ip', 'netns', 'add', this.#name(node));
      this.#allowForwarding(node);
      // The link to the API server's network.
      const host = `${this.#id}h${index}`;
      this.#in(node, 'ip', 'link', 'add', 'host', 'type', 'veth', 'peer', 'name', host);
      this.#in(node, 'ip', 'link', 'set', host, 'netns', String(process.pid));
      run('ip', 'addr', 'add', `10.${this.#octet}.${100 + index}.1/30`, 'dev', host);
      run('ip', 'link', 'set', host, 'up');
      this.#in(node, 'ip', 'addr', 'add', `10.${this.#octet}.${100 + index}.2/30`, 'dev', 'host');
      this.#in(node, 'ip', 'link', 'set', 'host', 'up');
      run(
        'ip',
        'route',
        'add',
        `10.${this.#octet}.${index}.0/24`,
        'via',
        `10.${this.#octet}.${100 + index}.2`,
      );
    }
    this.#linkNodes();
  }

  /** The address of the tests' own namespace, as pods of the node see it. */
  apiAddress(node: NodeName): string {
    return `10.${this.#octet}.${100 + this.#index(node)}.1`;
  }

  /** Adds a pod with an address of each family. */
  addPod(name: string, node: NodeName): PodNetwork {
    this.#count += 1;
    const namespace = `${this.#id}-p${this.#count}`;
    const ips = [
      `10.${this.#octet}.${this.#index(node)}.${10 + this.#count}`,
      `fd${this.#octet.toString(16).padStart(2, '0')}::${this.#index(node)}:${(10 + this.#count).toString(16)}`,
    ];
    const [ipv4 = '', ipv6 = ''] = ips;
    const link = `p${this.#count}`;
    run('ip', 'netns', 'add', namespace);
    this.#in(node, 'ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    this.#in(node, 'ip', 'addr', 'add', `${GATEWAY}/32`, 'dev', link);
    this.#in(node, 'ip', 'link', 'set', link, 'up');
    this.#in(node, 'ip', '-6', 'addr', 'add', 'fe80::1/64', 'dev', link, 'nodad');
    this.#in(node, 'ip', 'route', 'add', `${ipv4}/32`, 'dev', link);
    this.#in(node, 'ip', '-6', 'route', 'add', `${ipv6}/128`, 'dev', link);
    const inside = (...args: string[]) => run('ip', 'netns', 'exec', namespace, 'ip', ...args);
    inside('link', 'set', 'lo', 'up');
    inside('addr', 'add', `${ipv4}/32`, 'dev', 'eth0');
    inside('link', 'set', 'eth0', 'up');
    inside('-6', 'addr', 'add', `${ipv6}/128`, 'dev', 'eth0', 'nodad');
    inside('route', 'add', GATEWAY, 'dev', 'eth0');
    inside('route', 'add', 'default', 'via', GATEWAY);
    inside('-6', 'route', 'add', 'default', 'via', 'fe80::1', 'dev', 'eth0');
    const pod = { namespace, node, ips };
    this.#pods.set(name, pod);
    return pod;
  }

  removePod(name: string): void {
    const pod = this.#pods.get(name);
    if (pod !== undefined) run('ip', 'netns', 'del', pod.namespace);
    this.#pods.delete(name);
  }

  /** Replaces the packet filter of a node. */
  filter(node: NodeName, ruleset: string): void {
    execFileSync('ip', ['netns', 'exec', this.#name(node), 'nft', '-f', '-'], { input: ruleset });
  }

  remove(): void {
    for (const name of this.#pods.keys()) this.removePod(name);
    for (const node of NODES) spawnSync('ip', ['netns', 'del', this.#name(node)]);
  }

  #linkNodes(): void {
    const [a, b] = NODES as [NodeName, NodeName];
    this.#in(a, 'ip', 'link', 'add', 'peer', 'type', 'veth', 'peer', 'name', 'peer', 'netns', this.#name(b));
    const v6 = `fd${this.#octet.toString(16).padStart(2, '0')}`;
    for (const node of NODES) {
      const [own, other] = node === a ? [1, 2] : [2, 1];
      this.#in(node, 'ip', 'addr', 'add', `10.${this.#octet}.0.${own}/30`, 'dev', 'peer');
      this.#in(node, 'ip', 'link', 'set', 'peer', 'up');
      this.#in(node, 'ip', '-6', 'addr', 'add', `${v6}:1::${own}/64`, 'dev', 'peer', 'nodad');
      this.#in(
        node,
        'ip',
        'route',
        'add',
        `10.${this.#octet}.${other}.0/24`,
        'via',
        `10.${this.#octet}.0.${other}`,
      );
      this.#in(node, 'ip', '-6', 'route', 'add', `${v6}::${other}:0/112`, 'via', `${v6}:1::${other}`);
    }
  }

  #allowForwarding(node: NodeName): void {
    this.#in(node, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    this.#in(node, 'ip', 'link', 'set', 'lo', 'up');
  }

  #index(node: NodeName): number {
    return NODES.indexOf(node) + 1;
  }

  #name(node: NodeName): string {
    return `${this.#id}-${node}`;
  }

  #in(node: NodeName, ...command: readonly string[]): void {
    run('ip', 'netns', 'exec', this.#name(node), ...command);
  }
}

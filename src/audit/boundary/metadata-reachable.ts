import { compileView } from '../../analysis/evaluator.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { Check } from '../check.ts';
import type { AuditContext } from '../context.ts';

/** The instance metadata services of cloud providers: AWS, Azure, Google and others share the first address. */
const METADATA_ADDRESSES = ['169.254.169.254', 'fd00:ec2::254'] as const;

/** Prefixes of `spec.providerID` of nodes that have no metadata service. */
const WITHOUT_METADATA: readonly string[] = ['kind', 'k3s', 'minikube', 'metal3', 'vsphere'];

/** False if the nodes are known, and none is in a cloud. */
function mayHaveMetadata({ snapshot }: AuditContext): boolean {
  const nodes = snapshot.objects('Node') as readonly (KubeObject & {
    readonly spec?: { readonly providerID?: string };
  })[];
  const providers = nodes.map(({ spec }) => spec?.providerID?.split(':')[0] ?? '');
  return providers.length === 0 || providers.some((provider) => !WITHOUT_METADATA.includes(provider));
}

export const metadataReachable: Check = {
  id: 'metadata-reachable',
  title: 'No isolated pod reaches the metadata service of the cloud',
  severity: 'high',
  category: 'Boundary',
  controls: ['C-0052', 'NSA/CISA protect cloud metadata'],
  why: 'The metadata service hands out the credentials of the node, with which a pod can often take over nodes and more.',
  remedy:
    'Add 169.254.0.0/16 to `except` of the ipBlock (a profile: entity World leaves it out). Limit the node to IMDSv2 with one hop as well.',
  needs: ['Pod', 'NetworkPolicy'],
  run: (context, report) => {
    if (!mayHaveMetadata(context)) return;
    const evaluator = compileView(context.snapshot);
    for (const namespace of context.namespaces) {
      for (const pod of context.coverageOf(namespace.name)?.egress.isolated ?? []) {
        for (const ip of METADATA_ADDRESSES) {
          const family = ip.includes(':') ? 6 : 4;
          const endpoint = { kind: 'external', ip } as const;
          if (!evaluator.allows('Egress', pod, endpoint, { port: 80, protocol: 'TCP', family })) continue;
          report({
            object: pod.workload,
            message: `its policies allow egress to the metadata service ${ip}:80`,
          });
          break;
        }
      }
    }
  },
};

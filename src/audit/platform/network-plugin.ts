import type { KubeObject } from '../../api/meta.ts';
import type { Check } from '../check.ts';

type RawNode = KubeObject & {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message?: string;
    }[];
  };
};

/** The kubelet's words for a container runtime without a network plugin. */
const MISSING = /cni plugin not initialized|cni config uninitialized|network plugin is not ready/i;

export const networkPluginMissing: Check = {
  id: 'network-plugin-missing',
  title: 'Every node has a network plugin',
  severity: 'high',
  category: 'Platform',
  controls: ['CIS 5.3.1', 'C-0205'],
  why: 'Only pods on the host network run on such a node, and no policy applies to them.',
  remedy: "Look at the network plugin's DaemonSet: its pod on this node fails, or the node is not selected.",
  needs: ['Node'],
  run: ({ snapshot }, report) => {
    for (const { metadata, status } of snapshot.objects('Node') as readonly RawNode[]) {
      const ready = status?.conditions?.find(({ type }) => type === 'Ready');
      if (ready?.status === 'True' || !MISSING.test(ready?.message ?? '')) continue;
      report({
        object: { kind: 'Node', name: metadata.name },
        field: 'status.conditions[Ready]',
        message: 'the container runtime of the node has no network plugin',
      });
    }
  },
};

import type { KubeObject } from '../../api/meta.ts';
import type { Check } from '../check.ts';
import type { ObjectReference } from '../finding.ts';
import type { AuditSnapshot } from '../snapshot.ts';
import { apiServerMinors, componentMinor, minorOf } from './release.ts';

type RawNode = KubeObject & {
  readonly status?: { readonly nodeInfo?: { readonly kubeletVersion?: string } };
};

/** Components, and how many minor versions each may be older than the API server. None may be newer. */
const MAX_OLDER: Readonly<Record<string, number>> = {
  'kube-proxy': 3,
  'kube-controller-manager': 1,
  'kube-scheduler': 1,
  'cloud-controller-manager': 1,
};
const MAX_OLDER_KUBELET = 3;

interface Component {
  readonly object: ObjectReference;
  readonly name: string;
  readonly minor: number;
  readonly maxOlder: number;
}

function componentsOf({ pods, objects }: AuditSnapshot): Component[] {
  const kubelets = (objects('Node') as readonly RawNode[]).flatMap(({ metadata, status }) => {
    const minor = minorOf(status?.nodeInfo?.kubeletVersion ?? '');
    if (minor === undefined) return [];
    const object = { kind: 'Node', name: metadata.name };
    return [{ object, name: 'its kubelet', minor, maxOlder: MAX_OLDER_KUBELET }];
  });
  const others = pods.flatMap((pod) =>
    Object.entries(MAX_OLDER).flatMap(([component, maxOlder]) => {
      const minor = componentMinor(pod, component);
      return minor === undefined ? [] : [{ object: pod.workload, name: component, minor, maxOlder }];
    }),
  );
  return [...kubelets, ...others];
}

/** Kubernetes' version skew policy. While an upgrade runs, the API servers may be of two versions. */
export const versionSkew: Check = {
  id: 'version-skew',
  title: 'No component of Kubernetes is newer than the API server, or too old for it',
  severity: 'medium',
  category: 'Platform',
  controls: ['NSA/CISA upgrading'],
  why: 'Kubernetes tests no other combination: pods may lack protections that the API server promises, and nodes get no fixes.',
  remedy:
    'Upgrade the API servers first, then the controllers, then the nodes. A kubelet may be up to three minor versions older than the API server.',
  needs: ['Node', 'Pod'],
  unknown: ({ snapshot: { pods, serverVersion } }) =>
    apiServerMinors(pods, serverVersion).length === 0
      ? 'the version of the API server is not known'
      : undefined,
  run: ({ snapshot }, report) => {
    const servers = apiServerMinors(snapshot.pods, snapshot.serverVersion);
    const [oldest, newest] = [servers[0], servers.at(-1)];
    if (oldest === undefined || newest === undefined) return;
    const server = oldest === newest ? `1.${oldest}` : `1.${oldest} to 1.${newest}`;
    if (newest - oldest > 1) {
      report({
        object: { kind: 'Service', namespace: 'default', name: 'kubernetes' },
        severity: 'high',
        message: `the API servers are of the versions ${server}, which must not differ by more than one`,
      });
    }
    for (const { object, name, minor, maxOlder } of componentsOf(snapshot)) {
      const is = `${name} is of version 1.${minor} and the API server of ${server}`;
      if (minor > oldest) report({ object, message: `${is}: it must not be newer` });
      else if (newest - minor > maxOlder) {
        report({
          object,
          severity: 'high',
          message: `${is}: it must not be more than ${maxOlder === 1 ? 'one version' : `${maxOlder} versions`} older`,
        });
      }
    }
  },
};

/** The fields that the API server fills in when a Pod is created, as far as limits of workloads read them. Pure. */
import type { KubeObject } from '../../../api/meta.ts';

interface Mount {
  readonly mountPath?: string;
}

interface Port {
  readonly containerPort?: number;
  readonly hostPort?: number;
}

interface Container {
  readonly ports?: readonly Port[] | null;
  readonly volumeMounts?: readonly Mount[] | null;
}

interface Spec {
  readonly serviceAccountName?: string | null;
  readonly automountServiceAccountToken?: boolean | null;
  readonly hostNetwork?: boolean | null;
  readonly containers?: readonly Container[] | null;
  readonly initContainers?: readonly Container[] | null;
  readonly volumes?: readonly object[] | null;
}

/** The path at which containers find their token. */
const TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
/** The API server appends five random letters to the name. */
const TOKEN_VOLUME = {
  name: 'kube-api-access-xxxxx',
  projected: { sources: [{ serviceAccountToken: { path: 'token' } }] },
};

/**
 * The Pod as admission policies see it: with its account, with a token unless it asks for none (its ServiceAccount is not
 * known, and may say so too), and with the ports of its node on the host network.
 */
export function withDefaults(pod: KubeObject & { readonly spec?: Spec }): KubeObject {
  const { spec } = pod;
  if (spec === undefined) return pod;
  const { serviceAccountName, hostNetwork, containers, initContainers } = spec;
  const onNode = (list: readonly Container[]) => (hostNetwork === true ? list.map(withHostPorts) : list);
  return {
    ...pod,
    spec: {
      ...spec,
      serviceAccountName: serviceAccountName || 'default',
      ...(containers && { containers: onNode(containers) }),
      ...(initContainers && { initContainers: onNode(initContainers) }),
      ...(needsToken(spec) && { volumes: [...(spec.volumes ?? []), TOKEN_VOLUME] }),
    },
  } as KubeObject;
}

function needsToken({ automountServiceAccountToken, containers, initContainers }: Spec): boolean {
  if (automountServiceAccountToken === false) return false;
  const hasOwn = ({ volumeMounts }: Container) =>
    (volumeMounts ?? []).some(({ mountPath }) => mountPath === TOKEN_PATH);
  return ![...(containers ?? []), ...(initContainers ?? [])].every(hasOwn);
}

function withHostPorts(container: Container): Container {
  if (!container.ports) return container;
  const ports = container.ports.map((port) => ({
    ...port,
    hostPort: port.hostPort || port.containerPort || 0,
  }));
  return { ...container, ports };
}

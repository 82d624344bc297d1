import type { Check } from '../check.ts';
import type { Severity } from '../finding.ts';
import { containersOf } from '../pod-spec.ts';
import type { AuditContext } from '../context.ts';
import type { AuditPod } from '../snapshot.ts';
import { componentMinor } from './release.ts';

interface Plugin {
  /** True if the API server runs it unless a flag disables it. */
  readonly isDefault: boolean;
  readonly severity?: Severity;
  /** The protection that is missing without the plugin. */
  readonly effect: string;
}

const PLUGINS: Readonly<Record<string, Plugin>> = {
  NodeRestriction: {
    isDefault: false,
    severity: 'high',
    effect: 'a node may change the labels of other nodes and pods, and so who is a peer',
  },
  NamespaceLifecycle: {
    isDefault: true,
    effect: 'objects can be created in a namespace that is being deleted',
  },
  PodSecurity: {
    isDefault: true,
    severity: 'high',
    effect: 'the labels pod-security.kubernetes.io of namespaces have no effect',
  },
  ServiceAccount: { isDefault: true, effect: 'pods get no identity that a policy or a role could rely on' },
  ValidatingAdmissionPolicy: {
    isDefault: true,
    severity: 'high',
    effect: "the operator's gate and its protection of policies have no effect",
  },
};

/** The values of a flag with a list of names, over all of its uses. */
function flagValues(pod: AuditPod, flag: string): string[] {
  return containersOf(pod.spec)
    .flatMap(({ container }) => container.flags ?? [])
    .filter((each) => each.startsWith(`${flag}=`))
    .flatMap((each) => each.slice(flag.length + 1).split(','))
    .map((name) => name.trim());
}

/** The API servers that run as pods, one for each control plane node. A managed API server shows none. */
function apiServers({ snapshot: { pods } }: AuditContext): AuditPod[] {
  return pods.filter((pod) => componentMinor(pod, 'kube-apiserver') !== undefined);
}

export const admissionPluginMissing: Check = {
  id: 'admission-plugin-missing',
  title: 'The API server runs the admission plugins that policies and pods rely on',
  severity: 'medium',
  category: 'Platform',
  controls: ['CIS 1.2.12', 'CIS 1.2.13', 'CIS 1.2.14'],
  why: 'Without these plugins the API server stores what it should refuse, and says nothing.',
  remedy:
    'Add NodeRestriction to --enable-admission-plugins of kube-apiserver, and take the others out of --disable-admission-plugins.',
  needs: ['Pod'],
  unknown: (context) =>
    apiServers(context).length === 0
      ? 'the flags of the API server are not visible, as it is no pod of the cluster'
      : undefined,
  run: (context, report) => {
    for (const server of apiServers(context)) {
      const enabled = flagValues(server, '--enable-admission-plugins');
      const disabled = flagValues(server, '--disable-admission-plugins');
      for (const [name, { isDefault, severity, effect }] of Object.entries(PLUGINS)) {
        // A plugin that is named in both flags stops the API server at its start.
        if (enabled.includes(name) || (isDefault && !disabled.includes(name))) continue;
        report({
          object: server.workload,
          field: `admission plugin ${name}`,
          ...(severity && { severity }),
          message: `it does not run the admission plugin ${name}: ${effect}`,
        });
      }
    }
  },
};

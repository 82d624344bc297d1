/** CiliumNetworkPolicies as carriers of extensions. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import { isRecord } from '../../util/is-record.ts';
import type { ExtensionEngine, ExtensionFrame } from '../extensions/engine.ts';
import { API_VERSION, compileExtension, KIND } from './compile.ts';

const [group = '', version = ''] = API_VERSION.split('/');

export const CILIUM_EXTENSIONS: ExtensionEngine = {
  engine: 'Cilium',
  kind: { group, version, plural: 'ciliumnetworkpolicies', namespaced: true },
  component: 'config/engines/cilium',
  // The first one with enableDefaultDeny.
  since: 'Cilium 1.16',
  carries: new Set([
    'kubeAPIServer',
    'nodes',
    'engineIngress',
    'serviceAccount',
    'names',
    'deepNames',
    'namePorts',
  ]),
  compile: compileExtension,
  withRules: ({ apiVersion, kind, spec, direction }, rules) => ({
    apiVersion,
    kind,
    metadata: { name: '' },
    spec: { ...spec, [fieldOf(direction)]: rules },
  }),
  read: (object) => readObject(object),
};

function fieldOf(direction: ExtensionFrame['direction']): 'ingress' | 'egress' {
  return direction === 'Ingress' ? 'ingress' : 'egress';
}

/** Undefined if somebody added denying rules, rules of the other direction, a second spec, or anything else. */
function readObject({ spec, specs }: KubeObject & { spec?: unknown; specs?: unknown }) {
  if (specs !== undefined || !isRecord(spec)) return undefined;
  const { ingress, egress, ...rest } = spec;
  const direction = Array.isArray(ingress) ? 'Ingress' : 'Egress';
  const rules = direction === 'Ingress' ? ingress : egress;
  if (!Array.isArray(rules) || (ingress !== undefined && egress !== undefined)) return undefined;
  const frame: ExtensionFrame = { apiVersion: API_VERSION, kind: KIND, spec: rest, direction };
  return { frame, rules: rules.filter(isRecord) };
}

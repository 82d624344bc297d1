/** Ingresses, Gateways and routes: encryption, backends, and policies on the way. */
import { networkPodOf } from '../../analysis/cluster.ts';
import { PolicyIndex } from '../../analysis/model/policy-index.ts';
import { type Rule, selectsPort } from '../../analysis/model/rules.ts';
import { shortList } from '../../util/list-text.ts';
import type { Check } from '../check.ts';
import type { AuditContext } from '../context.ts';
import { type ObjectReference, objectText } from '../finding.ts';
import { isEncrypted, isPlain, mergedGateways } from './listeners.ts';
import {
  auditedObjects,
  type Backend,
  type Ingress,
  ingressBackends,
  podsBehind,
  referenceOf,
  serviceNamed,
  servicePort,
  targetOf,
} from './objects.ts';
import { routeBackends } from './routes.ts';

/** The Services that Ingresses and routes of audited namespaces lead to. */
function backends(context: AuditContext): Backend[] {
  return [...ingressBackends(context), ...routeBackends(context)];
}

/** Annotations by which controllers take a certificate from elsewhere. */
const CERTIFICATES: readonly string[] = [
  'alb.ingress.kubernetes.io/certificate-arn',
  'appgw.ingress.kubernetes.io/appgw-ssl-certificate',
  'ingress.gcp.kubernetes.io/pre-shared-cert',
  'networking.gke.io/managed-certificates',
];

function covers(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  // A wildcard stands for one label.
  return pattern.startsWith('*.') && host.includes('.') && host.slice(host.indexOf('.')) === pattern.slice(1);
}

/** The hosts that an Ingress serves without TLS; `every host` for a rule without one. */
function plainHosts({ metadata, spec }: Ingress): string[] {
  if (CERTIFICATES.some((key) => metadata.annotations?.[key])) return [];
  const tls = spec?.tls ?? [];
  // An entry without hosts is for all of them.
  if (tls.some(({ hosts = [] }) => hosts.length === 0)) return [];
  const encrypted = tls.flatMap(({ hosts = [] }) => hosts);
  const served = (spec?.rules ?? []).map(({ host = '' }) => host);
  const hosts = served.length === 0 ? [''] : served;
  const plain = hosts.filter((host) => !encrypted.some((pattern) => covers(pattern, host)));
  return [...new Set(plain)].map((host) => (host === '' ? 'every host' : host));
}

/**
 * The objects with listeners for HTTP of Gateways that have none with TLS. A listener for HTTP beside one for HTTPS serves
 * redirects, and the ListenerSets of a Gateway count as listeners of its own.
 */
function plainListeners(context: AuditContext): ObjectReference[] {
  return mergedGateways(context).flatMap(({ gateway, sets }) => {
    const owners = [gateway, ...sets];
    if (owners.some(({ listeners }) => listeners.some(isEncrypted))) return [];
    return owners.flatMap(({ object, listeners }) => (listeners.some(isPlain) ? [object] : []));
  });
}

export const withoutTls: Check = {
  id: 'ingress-without-tls',
  title: 'Every Ingress, Gateway and ListenerSet encrypts',
  severity: 'medium',
  category: 'Exposure',
  controls: ['C-0263'],
  why: 'Everyone on the way reads and changes requests and answers, sessions and passwords included.',
  remedy:
    'Name the hosts with a Secret in spec.tls; in a Gateway or ListenerSet, add a listener of the protocol HTTPS.',
  needs: ['Ingress'],
  run: (context, report) => {
    for (const ingress of auditedObjects<Ingress>('Ingress', context)) {
      const hosts = plainHosts(ingress);
      if (hosts.length === 0) continue;
      report({
        object: referenceOf('Ingress', ingress),
        field: 'spec.tls',
        message: `${shortList(hosts)} is served without TLS`,
      });
    }
    for (const object of plainListeners(context)) {
      if (!context.audits({ metadata: object })) continue;
      const message = 'it has listeners for HTTP and none for HTTPS';
      report({ object, field: 'spec.listeners', message });
    }
  },
};

/** Among manifests, a Service that is missing may be described elsewhere. */
export const withoutBackend: Check = {
  id: 'ingress-without-backend',
  title: 'Every backend of an Ingress or route exists',
  severity: 'medium',
  category: 'Exposure',
  controls: ['C-0298'],
  why: 'The path answers with an error, and whoever creates a Service of that name answers for the host.',
  remedy: 'Correct name and port of the backend, or remove the path.',
  needs: ['Ingress', 'Service'],
  run: (context, report) => {
    for (const backend of backends(context)) {
      const { object, field, namespace, service: name, port, protocol } = backend;
      const service = serviceNamed(context, namespace, name);
      if (service === undefined) {
        if (context.snapshot.isComplete)
          report({ object, field, message: `there is no Service ${namespace}/${name}` });
      } else if (
        port !== undefined &&
        service.spec?.type !== 'ExternalName' &&
        servicePort(service, backend) === undefined
      ) {
        const text = protocol === undefined ? `port ${port}` : `port ${port}/${protocol}`;
        report({ object, field, message: `Service ${namespace}/${name} has no ${text}` });
      }
    }
  },
};

/** True if the rule lets in more than pods of the namespace itself, where no ingress controller is expected. */
function reachesOutside({ peers }: Rule): boolean {
  return (
    peers === 'any' ||
    peers.some((peer) => peer.kind === 'ipBlock' || (peer.kind === 'pods' && 'selector' in peer.namespaces))
  );
}

export const blockedByPolicy: Check = {
  id: 'ingress-blocked-by-policy',
  title: 'Policies let the ingress controller in to every backend of an Ingress or route',
  severity: 'medium',
  category: 'Exposure',
  controls: [],
  why: 'The Ingress means to expose the pods, and their policies let nobody from outside of the namespace in: requests time out.',
  remedy:
    'Allow the controller (baseline.ingressControllers: Allow, or a rule with entity IngressControllers), or remove the Ingress.',
  needs: ['Ingress', 'Service', 'Pod', 'NetworkPolicy'],
  run: (context, report) => {
    const index = new PolicyIndex(context.snapshot);
    const reported = new Set<string>();
    for (const backend of backends(context)) {
      const { object, field, namespace, service: name, port } = backend;
      const service = serviceNamed(context, namespace, name);
      const wanted = service && port !== undefined ? servicePort(service, backend) : undefined;
      if (service === undefined || wanted === undefined) continue;
      const pods = podsBehind(service, context).filter(
        (pod) => networkPodOf({ kind: 'pod', pod }) !== undefined,
      );
      const isBlocked = (pod: (typeof pods)[number]) => {
        const policies = index.selecting('Ingress', pod);
        const target = targetOf(pod, wanted);
        if (policies.length === 0 || target === undefined) return false;
        return !policies.some(({ Ingress = [] }) =>
          Ingress.some(
            (rule) =>
              reachesOutside(rule) &&
              selectsPort(rule.ports, target, wanted.protocol ?? 'TCP', pod.ports ?? []),
          ),
        );
      };
      // Many paths lead to one Service.
      const key = `${objectText(object)} ${namespace}/${name}`;
      if (pods.length === 0 || reported.has(key) || !pods.every(isBlocked)) continue;
      reported.add(key);
      report({
        object,
        field,
        message: `no policy lets anybody from outside of ${namespace} in to the pods of Service ${namespace}/${name}`,
      });
    }
  },
};

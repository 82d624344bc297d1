/** Cases of the checks of the family Exposure. */
import { type CheckCases, denyAll, namespace, object, pod, policy, world } from '../world.ts';

const web = pod('shop/web', {
  containers: [{ name: 'web', ports: [{ name: 'http', containerPort: 8080 }] }],
});
const service = (spec: object, annotations = {}) => {
  const made = object('Service', 'shop/web', {
    spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }], ...spec },
  });
  return { ...made, metadata: { ...made.metadata, annotations } };
};
const ingress = (spec: object, annotations = {}) => {
  const made = object('Ingress', 'shop/web', { spec });
  return { ...made, metadata: { ...made.metadata, annotations } };
};
const toWeb = (port: object = { number: 80 }) => ({
  rules: [{ host: 'shop.example.com', http: { paths: [{ backend: { service: { name: 'web', port } } }] } }],
});
const route = (backend: object, kind = 'HTTPRoute', spec: object = {}) =>
  object(kind, 'shop/web', { spec: { rules: [{ backendRefs: [backend] }], ...spec } });
const mirror = (name: string) => ({
  type: 'RequestMirror',
  requestMirror: { backendRef: { name, port: 80 } },
});
const ROUTE_BACKEND = 'spec.rules[0].backendRefs[0]';
const grant = (to: object, from: object = {}, namespace = 'pay') =>
  object('ReferenceGrant', `${namespace}/routes`, {
    spec: {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'shop', ...from }],
      to: [{ group: '', kind: 'Service', ...to }],
    },
  });
const TO_PAY = { name: 'web', namespace: 'pay', port: 80 };
const gateway = (...listeners: readonly object[]) => object('Gateway', 'edge/gate', { spec: { listeners } });
const BOTH = gateway(
  { name: 'http', port: 80, protocol: 'HTTP' },
  { name: 'https', port: 443, protocol: 'HTTPS' },
);
/** A ListenerSet of the Gateway, in the namespace of the routes. */
const listenerSet = (...listeners: readonly object[]) =>
  object('ListenerSet', 'shop/more', {
    spec: { parentRef: { namespace: 'edge', name: 'gate' }, listeners },
  });
/** The Gateway with one listener for HTTP, and the namespaces whose ListenerSets it lets attach. */
const openGateway = (namespaces: object, protocol = 'HTTP') =>
  object('Gateway', 'edge/gate', {
    spec: { listeners: [{ name: 'main', port: 80, protocol }], allowedListeners: { namespaces } },
  });
const HTTP = { name: 'http', port: 8080, protocol: 'HTTP' };
const HTTPS = { name: 'https', port: 443, protocol: 'HTTPS' };
const TO_SET = { kind: 'ListenerSet', namespace: 'shop', name: 'more' };
const attached = (parent: object, kind = 'HTTPRoute') =>
  route({ name: 'web', port: 80 }, kind, { parentRefs: [{ namespace: 'edge', name: 'gate', ...parent }] });
const BACKEND = 'Ingress shop/web spec.rules[0].http.paths[0].backend';
const fromPods = { from: [{ podSelector: {} }] };

export const EXPOSURE_CASES: Readonly<Record<string, CheckCases>> = {
  'service-node-port': {
    good: { 'a ClusterIP': world({ objects: [service({})] }) },
    bad: {
      'a NodePort': [world({ objects: [service({ type: 'NodePort' })] }), 'Service shop/web spec.type'],
    },
  },
  'service-load-balancer-open': {
    good: {
      'source ranges': world({
        objects: [service({ type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24'] })],
      }),
      'an internal load balancer': world({
        objects: [service({ type: 'LoadBalancer' }, { 'networking.gke.io/load-balancer-type': 'Internal' })],
      }),
    },
    bad: {
      'no source ranges': [
        world({ objects: [service({ type: 'LoadBalancer' })] }),
        'Service shop/web spec.loadBalancerSourceRanges',
      ],
      'a range of every address': [
        world({
          objects: [
            service({ type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24', '0.0.0.0/0'] }),
          ],
        }),
        'Service shop/web spec.loadBalancerSourceRanges',
      ],
    },
  },
  'service-external-ips': {
    good: { 'no externalIPs': world({ objects: [service({ externalIPs: [] })] }) },
    bad: {
      externalIPs: [
        world({ objects: [service({ externalIPs: ['192.0.2.1'] })] }),
        'Service shop/web spec.externalIPs',
      ],
    },
  },
  'service-selects-nothing': {
    good: {
      'a Service with pods': world({ pods: [web], objects: [service({})] }),
      'a Service without selector': world({ pods: [web], objects: [service({ selector: {} })] }),
      'a namespace without pods': world({ objects: [service({})] }),
      'the label of one pod of a StatefulSet, among manifests': world({
        isComplete: false,
        pods: [web],
        objects: [service({ selector: { app: 'web', 'statefulset.kubernetes.io/pod-name': 'web-0' } })],
      }),
    },
    bad: {
      'other labels': [
        world({ pods: [web], objects: [service({ selector: { app: 'wbe' } })] }),
        'Service shop/web spec.selector',
      ],
    },
  },
  'service-target-port': {
    good: {
      'the name of a port': world({ pods: [web], objects: [service({})] }),
      'a number of pods that declare no ports': world({
        pods: [pod('shop/web')],
        objects: [service({ ports: [{ port: 80, targetPort: 9 }] })],
      }),
      'a number beside one that is declared': world({
        pods: [web],
        objects: [
          service({
            ports: [
              { port: 80, targetPort: 8080 },
              { port: 81, targetPort: 9 },
            ],
          }),
        ],
      }),
      'numbers of a proxy that declares its port for metrics alone': world({
        pods: [
          pod('shop/web', {
            containers: [{ name: 'proxy', ports: [{ name: 'http-prom', containerPort: 15090 }] }],
          }),
        ],
        objects: [service({ ports: [{ port: 80 }] })],
      }),
      'more numbers than ports that are declared': world({
        pods: [web],
        objects: [service({ ports: [{ port: 80 }, { port: 443 }] })],
      }),
      'a number beside a container that declares no ports': world({
        pods: [
          pod('shop/web', {
            containers: [{ name: 'web', ports: [{ containerPort: 8080 }] }, { name: 'proxy' }],
          }),
        ],
        objects: [service({ ports: [{ port: 80 }] })],
      }),
    },
    bad: {
      'a name that no container has': [
        world({ pods: [web], objects: [service({ ports: [{ port: 80, targetPort: 'https' }] })] }),
        'Service shop/web spec.ports[0].targetPort',
      ],
      "the Service's port, by default": [
        world({ pods: [web], objects: [service({ ports: [{ port: 80 }] })] }),
        'Service shop/web spec.ports[0].targetPort',
      ],
    },
  },
  'service-nobody-allowed': {
    good: {
      'pods that are not isolated': world({ pods: [web], objects: [service({})] }),
      'a rule for the target port': world({
        pods: [web],
        objects: [service({})],
        policies: [
          denyAll('shop'),
          policy('shop/p', { ingress: [{ ...fromPods, ports: [{ port: 'http' }] }] }),
        ],
      }),
    },
    bad: {
      'a rule for another port': [
        world({
          pods: [web],
          objects: [service({})],
          policies: [policy('shop/p', { ingress: [{ ...fromPods, ports: [{ port: 80 }] }] })],
        }),
        'Service shop/web spec.ports[0]',
      ],
    },
  },
  'ingress-without-tls': {
    good: {
      'a host with TLS': world({
        objects: [ingress({ ...toWeb(), tls: [{ hosts: ['shop.example.com'] }] })],
      }),
      'a wildcard': world({ objects: [ingress({ ...toWeb(), tls: [{ hosts: ['*.example.com'] }] })] }),
      'TLS for every host': world({ objects: [ingress({ ...toWeb(), tls: [{}] })] }),
      'a certificate of the provider': world({
        objects: [ingress(toWeb(), { 'networking.gke.io/managed-certificates': 'shop' })],
      }),
      'a Gateway that redirects to HTTPS': world({
        objects: [
          object('Gateway', 'shop/gate', {
            spec: { listeners: [{ protocol: 'HTTP' }, { protocol: 'HTTPS' }] },
          }),
        ],
      }),
      'a Gateway whose ListenerSet has TLS': world({
        objects: [openGateway({ from: 'All' }), listenerSet(HTTPS)],
      }),
      'a ListenerSet for HTTP of a Gateway with TLS': world({
        objects: [
          openGateway({ from: 'Selector', selector: { matchLabels: { team: 'shop' } } }, 'HTTPS'),
          listenerSet(HTTP),
        ],
        namespaces: [namespace('shop', { team: 'shop' })],
      }),
      'a ListenerSet that its Gateway does not let attach': world({
        objects: [openGateway({ from: 'Same' }, 'TCP'), listenerSet(HTTP)],
      }),
      'a ListenerSet whose Gateway nobody described': world({ objects: [listenerSet(HTTP)] }),
      'a Gateway that can not be read': world({
        objects: [object('Gateway', 'shop/gate', { spec: { listeners: 'none' } })],
      }),
    },
    bad: {
      'an Ingress without TLS': [world({ objects: [ingress(toWeb())] }), 'Ingress shop/web spec.tls'],
      'a wildcard for another level': [
        world({ objects: [ingress({ ...toWeb(), tls: [{ hosts: ['*.com'] }] })] }),
        'Ingress shop/web spec.tls',
      ],
      'a Gateway for HTTP alone': [
        world({ objects: [object('Gateway', 'shop/gate', { spec: { listeners: [{ protocol: 'HTTP' }] } })] }),
        'Gateway shop/gate spec.listeners',
      ],
      'a ListenerSet for HTTP of a Gateway without TLS': [
        world({ objects: [openGateway({ from: 'All' }, 'TCP'), listenerSet(HTTP)] }),
        'ListenerSet shop/more spec.listeners',
      ],
      'a Gateway beside a ListenerSet with TLS that may not attach': [
        world({ objects: [openGateway({ from: 'None' }), listenerSet(HTTPS)] }),
        'Gateway edge/gate spec.listeners',
      ],
    },
  },
  'ingress-without-backend': {
    good: {
      'a Service and its port': world({ objects: [service({}), ingress(toWeb())] }),
      'a port by name': world({
        objects: [service({ ports: [{ name: 'main', port: 80 }] }), ingress(toWeb({ name: 'main' }))],
      }),
      'a Service that other manifests may describe': world({
        isComplete: false,
        objects: [ingress(toWeb())],
      }),
      'a route to a Service': world({ objects: [service({}), route({ name: 'web', port: 80 })] }),
      'a route to another kind': world({
        objects: [route({ kind: 'Bucket', group: 'example.com', name: 'web' })],
      }),
    },
    bad: {
      'no Service': [world({ objects: [ingress(toWeb())] }), BACKEND],
      'another port': [
        world({ isComplete: false, objects: [service({}), ingress(toWeb({ number: 8080 }))] }),
        BACKEND,
      ],
      'a route to no Service': [
        world({ objects: [route({ name: 'web', namespace: 'pay', port: 80 })] }),
        `HTTPRoute shop/web ${ROUTE_BACKEND}`,
      ],
      'a route of each kind to no Service': [
        world({
          objects: ['GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'].map((kind) =>
            route({ name: 'web', port: 80 }, kind),
          ),
        }),
        ...['GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'].map(
          (kind) => `${kind} shop/web ${ROUTE_BACKEND}`,
        ),
      ],
      'filters that copy requests, or ask about them': [
        world({
          objects: [
            service({}),
            object('HTTPRoute', 'shop/web', {
              spec: {
                rules: [
                  {
                    backendRefs: [{ name: 'web', port: 80, filters: [mirror('copy')] }],
                    filters: [
                      mirror('web'),
                      { type: 'ExternalAuth', externalAuth: { backendRef: { name: 'auth', port: 80 } } },
                    ],
                  },
                ],
              },
            }),
          ],
        }),
        `HTTPRoute shop/web ${ROUTE_BACKEND}.filters[0].requestMirror.backendRef`,
        'HTTPRoute shop/web spec.rules[0].filters[1].externalAuth.backendRef',
      ],
      'a UDPRoute to a port for TCP alone': [
        world({ objects: [service({}), route({ name: 'web', port: 80 }, 'UDPRoute')] }),
        `UDPRoute shop/web ${ROUTE_BACKEND}`,
      ],
    },
  },
  'route-without-grant': {
    good: {
      'a backend of the own namespace': world({ objects: [route({ name: 'web', port: 80 })] }),
      'a grant for every Service': world({ objects: [route(TO_PAY), grant({})] }),
      'a grant for the Service': world({ objects: [route(TO_PAY), grant({ name: 'web' })] }),
      'a grant that other manifests may describe': world({ isComplete: false, objects: [route(TO_PAY)] }),
      'a route that can not be read': world({
        objects: [object('TCPRoute', 'shop/web', { spec: { rules: 1 } })],
      }),
    },
    bad: {
      'no grant': [world({ objects: [route(TO_PAY)] }), `HTTPRoute shop/web ${ROUTE_BACKEND}`],
      'a grant for another Service': [
        world({ objects: [route(TO_PAY), grant({ name: 'api' })] }),
        `HTTPRoute shop/web ${ROUTE_BACKEND}`,
      ],
      'a grant for another kind': [
        world({ objects: [route(TO_PAY, 'TCPRoute'), grant({})] }),
        `TCPRoute shop/web ${ROUTE_BACKEND}`,
      ],
      'a grant for another namespace': [
        world({ objects: [route(TO_PAY), grant({}, { namespace: 'web' })] }),
        `HTTPRoute shop/web ${ROUTE_BACKEND}`,
      ],
      'a grant in another namespace': [
        world({ objects: [route(TO_PAY), grant({}, {}, 'edge')] }),
        `HTTPRoute shop/web ${ROUTE_BACKEND}`,
      ],
    },
  },
  'route-without-tls': {
    good: {
      'the listener for HTTPS': world({ objects: [BOTH, attached({ sectionName: 'https' })] }),
      'every listener': world({ objects: [BOTH, attached({})] }),
      'each listener by a parent of its own': world({
        objects: [
          BOTH,
          route({ name: 'web', port: 80 }, 'HTTPRoute', {
            parentRefs: ['http', 'https'].map((sectionName) => ({
              namespace: 'edge',
              name: 'gate',
              sectionName,
            })),
          }),
        ],
      }),
      'a ListenerSet with TLS': world({
        objects: [openGateway({ from: 'All' }), listenerSet(HTTPS), attached(TO_SET)],
      }),
      'a redirect': world({
        objects: [
          BOTH,
          object('HTTPRoute', 'shop/web', {
            spec: {
              parentRefs: [{ namespace: 'edge', name: 'gate', sectionName: 'http' }],
              rules: [{ filters: [{ type: 'RequestRedirect', requestRedirect: { scheme: 'https' } }] }],
            },
          }),
        ],
      }),
      'a Gateway for HTTP alone, which another check reports': world({
        objects: [gateway({ name: 'http', protocol: 'HTTP' }), attached({ sectionName: 'http' })],
      }),
      'a Gateway that nobody described': world({ objects: [attached({ sectionName: 'http' })] }),
      'a TCPRoute, whose streams may be encrypted': world({
        objects: [BOTH, attached({ sectionName: 'http' }, 'TCPRoute')],
      }),
      'a parent of another kind': world({ objects: [BOTH, attached({ kind: 'Service', group: '' })] }),
    },
    bad: {
      'the name of the listener for HTTP': [
        world({ objects: [BOTH, attached({ sectionName: 'http' })] }),
        'HTTPRoute shop/web spec.parentRefs[0]',
      ],
      'a GRPCRoute by the port of the listener for HTTP': [
        world({ objects: [BOTH, attached({ port: 80 }, 'GRPCRoute')] }),
        'GRPCRoute shop/web spec.parentRefs[0]',
      ],
      'a Gateway for HTTP whose ListenerSet has TLS': [
        world({ objects: [openGateway({ from: 'All' }), listenerSet(HTTPS), attached({})] }),
        'HTTPRoute shop/web spec.parentRefs[0]',
      ],
      'a ListenerSet for HTTP of a Gateway with TLS': [
        world({ objects: [openGateway({ from: 'All' }, 'HTTPS'), listenerSet(HTTP), attached(TO_SET)] }),
        'HTTPRoute shop/web spec.parentRefs[0]',
      ],
      'a ListenerSet of the experimental group': [
        world({
          objects: [
            openGateway({ from: 'All' }, 'HTTPS'),
            { ...listenerSet(HTTP), kind: 'XListenerSet' },
            attached({ ...TO_SET, group: 'gateway.networking.x-k8s.io', kind: 'XListenerSet' }),
          ],
        }),
        'HTTPRoute shop/web spec.parentRefs[0]',
      ],
    },
  },
  'ingress-blocked-by-policy': {
    good: {
      'pods that are not isolated': world({ pods: [web], objects: [service({}), ingress(toWeb())] }),
      'a rule for the controller': world({
        pods: [web],
        objects: [service({}), ingress(toWeb())],
        policies: [
          policy('shop/p', {
            ingress: [{ from: [{ namespaceSelector: { matchLabels: { app: 'ingress' } } }] }],
          }),
        ],
      }),
    },
    bad: {
      'a rule for the own namespace only': [
        world({
          pods: [web],
          objects: [service({}), ingress(toWeb())],
          policies: [policy('shop/p', { ingress: [fromPods] })],
        }),
        BACKEND,
      ],
      'a UDPRoute whose port is let in for TCP alone': [
        world({
          pods: [web],
          objects: [
            service({ ports: [53, 53].map((port, index) => ({ port, protocol: ['TCP', 'UDP'][index] })) }),
            route({ name: 'web', port: 53 }, 'UDPRoute'),
          ],
          policies: [
            policy('shop/p', {
              ingress: [{ from: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports: [{ port: 53 }] }],
            }),
          ],
        }),
        `UDPRoute shop/web ${ROUTE_BACKEND}`,
      ],
      'a GRPCRoute to pods that nobody from outside is let in to': [
        world({
          pods: [web],
          objects: [service({}), route({ name: 'web', port: 80 }, 'GRPCRoute')],
          policies: [policy('shop/p', { ingress: [fromPods] })],
        }),
        `GRPCRoute shop/web ${ROUTE_BACKEND}`,
      ],
      'a Service once, however many paths lead to it': [
        world({
          pods: [web],
          objects: [service({}), ingress({ rules: [...toWeb().rules, ...toWeb().rules] })],
          policies: [policy('shop/p', { ingress: [fromPods] })],
        }),
        BACKEND,
      ],
    },
  },
};

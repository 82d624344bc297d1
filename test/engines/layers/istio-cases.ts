/** Policies of Istio that verdicts go by, with sidecars and in ambient mode, in the cluster of cases.ts. */
import type { KubeObject } from '../../../src/api/meta.ts';
import { denyAll, object, policy } from '../../audit/world.ts';
import type { LayerCase } from './cases.ts';

const access = (spec: object, id = 'mesh/rules') => object('AuthorizationPolicy', id, { spec });
const from = (source: object) => [{ from: [{ source }] }];

export const ISTIO_CASES: Readonly<Record<string, LayerCase>> = {
  'an AuthorizationPolicy that allows an identity': {
    objects: [
      access({
        selector: { matchLabels: { app: 'api' } },
        rules: from({ principals: ['cluster.local/ns/mesh/sa/peer'] }),
      }),
    ],
    verdicts: {
      'mesh/peer > mesh/api 80': 'allowed',
      'shop/web > mesh/api 80': 'denied AuthorizationPolicy rules',
      'shop/web > mesh/api 53/UDP': 'allowed',
      'shop/web > mesh/peer 80': 'allowed',
      'ambient/api > mesh/api 80': 'denied AuthorizationPolicy rules',
    },
  },
  'an AuthorizationPolicy that allows nothing': {
    objects: [access({})],
    verdicts: {
      'mesh/peer > mesh/api 80': 'denied AuthorizationPolicy rules',
      'mesh/peer > mesh/api 15020': 'allowed',
    },
  },
  'an AuthorizationPolicy that denies a namespace on a port': {
    objects: [
      access({
        action: 'DENY',
        rules: [{ from: [{ source: { namespaces: ['mesh'] } }], to: [{ operation: { ports: ['80'] } }] }],
      }),
    ],
    verdicts: {
      'mesh/peer > mesh/api 80': 'denied AuthorizationPolicy rules spec.rules[0]',
      'mesh/peer > mesh/api 81': 'allowed',
      'shop/web > mesh/api 80': 'allowed',
    },
  },
  'an AuthorizationPolicy for requests': {
    objects: [access({ rules: [{ to: [{ operation: { paths: ['/health'] } }] }] })],
    verdicts: {
      'shop/web > mesh/api 80': 'unknown AuthorizationPolicy rules spec.rules[0]: requests (to.operation)',
    },
  },
  'an AuthorizationPolicy of pods that may be in the mesh': {
    objects: [access({}, 'ambient/rules')],
    verdicts: {
      'shop/web > ambient/api 80': 'unknown AuthorizationPolicy rules: whether its pods are in the mesh',
    },
  },
  'NetworkPolicies for the tunnel of ambient mode': {
    policies: [
      policy('caught/tunnel', {
        podSelector: { matchLabels: { app: 'api' } },
        policyTypes: ['Ingress'],
        ingress: [
          { from: [{ podSelector: { matchLabels: { app: 'peer' } } }], ports: [{ port: 15_008 }] },
          { from: [{ namespaceSelector: {} }], ports: [{ port: 443 }] },
        ],
      }),
    ],
    verdicts: {
      'caught/peer > caught/api 80': 'allowed',
      'caught/peer > caught/api 53/UDP': 'denied',
      'shop/web > caught/api 80': 'denied',
      'shop/web > caught/api 443': 'allowed',
      'shop/web > caught/api 15008': 'denied',
      'caught/api > caught/peer 80': 'allowed',
      'ambient/api > caught/api 443':
        'unknown Namespace caught: if port 15008 carries connections of its pods',
      'ambient/api > caught/api 80': 'denied',
      'mesh/api > caught/api 443': 'unknown Namespace caught: if port 15008 carries connections of its pods',
    },
  },
  'a NetworkPolicy that limits what pods of ambient mode reach': {
    policies: [
      policy('caught/out', {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [{ ports: [{ port: 80 }] }],
      }),
    ],
    verdicts: {
      'caught/peer > caught/api 80': 'denied',
      'caught/peer > shop/web 80': 'allowed',
      '203.0.113.1 > caught/api 80': 'allowed',
    },
  },
  'an AuthorizationPolicy for the ports behind the tunnel': {
    policies: [
      policy('caught/tunnel', {
        podSelector: {},
        policyTypes: ['Ingress'],
        ingress: [{ ports: [{ port: 15_008 }] }],
      }),
    ],
    objects: [
      access(
        {
          rules: [
            {
              from: [{ source: { principals: ['cluster.local/ns/caught/sa/peer'] } }],
              to: [{ operation: { ports: ['80'] } }],
            },
          ],
        },
        'caught/rules',
      ),
    ],
    verdicts: {
      'caught/peer > caught/api 80': 'allowed',
      'caught/peer > caught/api 443': 'denied AuthorizationPolicy rules',
      'caught/api > caught/peer 80': 'denied AuthorizationPolicy rules',
      'caught/peer > caught/api 15008': 'allowed',
      'shop/web > caught/api 80': 'denied',
    },
  },
  'strict mutual TLS in ambient mode': {
    objects: [object('PeerAuthentication', 'caught/strict', { spec: { mtls: { mode: 'STRICT' } } })],
    verdicts: {
      'caught/peer > caught/api 80': 'allowed',
      'shop/web > caught/api 80': 'denied PeerAuthentication strict spec.mtls.mode',
      'mesh/peer > caught/api 80':
        'unknown PeerAuthentication strict spec.mtls.mode: whether the source is in the mesh',
    },
  },
  'an AuthorizationPolicy for requests in ambient mode': {
    objects: [
      access(
        { rules: [{ to: [{ operation: { paths: ['/'] } }] }, { to: [{ operation: { ports: ['80'] } }] }] },
        'caught/rules',
      ),
    ],
    verdicts: {
      'caught/peer > caught/api 80': 'allowed',
      'caught/peer > caught/api 81': 'denied AuthorizationPolicy rules',
    },
  },
  'AuthorizationPolicies in ambient mode that deny requests, or ask an authorizer': {
    objects: [
      access(
        {
          action: 'DENY',
          rules: [
            { to: [{ operation: { methods: ['GET'] } }] },
            { from: [{ source: {} }], when: [{ key: 'request.auth.claims[iss]', values: ['a'] }] },
            { to: [{ operation: { methods: ['GET'], ports: ['80'] } }] },
          ],
        },
        'caught/rules',
      ),
      access({ action: 'CUSTOM', provider: { name: 'opa' }, rules: [{}] }, 'caught/asks'),
    ],
    verdicts: {
      'caught/peer > caught/api 80': 'denied AuthorizationPolicy rules spec.rules[2]',
      'caught/peer > caught/api 81': 'allowed',
    },
  },
  'an AuthorizationPolicy of another trust domain': {
    objects: [access({ rules: from({ principals: ['td/ns/mesh/sa/peer'] }) })],
    verdicts: {
      'mesh/peer > mesh/api 80':
        'unknown AuthorizationPolicy rules spec.rules[0]: identities of pods that may be in the mesh',
    },
  },
  'an AuthorizationPolicy in the root namespace': {
    objects: [access({}, 'istio-system/all')],
    verdicts: {
      'mesh/peer > mesh/api 80': 'denied AuthorizationPolicy all',
      'mesh/api > shop/web 80': 'allowed',
    },
  },
  'a dry run of an AuthorizationPolicy': {
    objects: [
      {
        ...access({}),
        metadata: { namespace: 'mesh', name: 'rules', annotations: { 'istio.io/dry-run': 'true' } },
      },
    ],
    verdicts: { 'shop/web > mesh/api 80': 'allowed' },
  },
  'dry runs of AuthorizationPolicies in ambient mode, one of which istiod refuses': {
    objects: [
      {
        ...access({ selector: { matchLabels: { app: 'api' } } }, 'caught/rules'),
        metadata: { namespace: 'caught', name: 'rules', annotations: { 'istio.io/dry-run': 'true' } },
      },
      {
        ...access({ selector: { matchLabels: { app: 'peer' } } }, 'caught/refused'),
        metadata: {
          namespace: 'caught',
          name: 'refused',
          generation: 1,
          annotations: { 'istio.io/dry-run': 'true' },
        },
        status: { conditions: [{ type: 'ZtunnelAccepted', status: 'False', observedGeneration: '1' }] },
      } as KubeObject,
    ],
    verdicts: {
      'caught/peer > caught/api 80':
        'unknown AuthorizationPolicy rules: if ztunnel enforces dry runs, as before Istio 1.29',
      'caught/api > caught/peer 80': 'allowed',
    },
  },
  'a PeerAuthentication with STRICT mutual TLS': {
    objects: [object('PeerAuthentication', 'mesh/strict', { spec: { mtls: { mode: 'STRICT' } } })],
    verdicts: {
      'mesh/peer > mesh/api 80': 'allowed',
      'shop/web > mesh/api 80': 'denied PeerAuthentication strict spec.mtls.mode',
      '203.0.113.1 > mesh/api 80': 'denied PeerAuthentication strict spec.mtls.mode',
      'ambient/api > mesh/api 80':
        'unknown PeerAuthentication strict spec.mtls.mode: whether the source is in the mesh',
    },
  },
  'a NetworkPolicy that denies what the mesh allows': {
    policies: [denyAll('mesh')],
    objects: [access({ rules: [{}] })],
    verdicts: { 'mesh/peer > mesh/api 80': 'denied' },
  },
};

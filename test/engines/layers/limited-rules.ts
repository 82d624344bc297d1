/** Rules that are limited beyond peers and ports, or by what they exclude, with the verdicts that they lead to. */
import { denyAll } from '../../audit/world.ts';
import { calico, cilium, type LayerCase } from './cases.ts';

const ingress = (...rules: readonly object[]) => calico('shop/extra', { types: ['Ingress'], ingress: rules });
const RULE = 'CalicoNetworkPolicy extra spec.ingress';

export const LIMITED_RULES: Readonly<Record<string, LayerCase>> = {
  'a rule of Cilium with mutual authentication, and one for names in TLS': {
    objects: [
      cilium({
        endpointSelector: {},
        ingress: [
          {
            fromEntities: ['cluster'],
            toPorts: [{ ports: [{ port: '80' }] }],
            authentication: { mode: 'required' },
          },
          {
            fromEntities: ['cluster'],
            toPorts: [{ ports: [{ port: '81' }], serverNames: ['shop.example.com'] }],
          },
          {
            fromEntities: ['cluster'],
            toPorts: [{ ports: [{ port: '82' }] }],
            authentication: { mode: 'disabled' },
          },
        ],
      }),
    ],
    verdicts: {
      'ops/tool > shop/web 80':
        'unknown CiliumNetworkPolicy extra spec.ingress[0]: mutual authentication (authentication.mode)',
      'ops/tool > shop/web 81':
        'unknown CiliumNetworkPolicy extra spec.ingress[1]: requests (toPorts.serverNames)',
      'ops/tool > shop/web 82': 'allowed CiliumNetworkPolicy extra spec.ingress[2]',
    },
  },
  'a rule of Calico with requests, and one for a family of addresses': {
    objects: [
      ingress(
        { action: 'Allow', protocol: 'TCP', destination: { ports: [80] }, http: { methods: ['GET'] } },
        { action: 'Allow', protocol: 'TCP', destination: { ports: [81] }, ipVersion: 6 },
      ),
    ],
    verdicts: {
      'ops/tool > shop/web 80': `unknown ${RULE}[0]: requests (http)`,
      'ops/tool > shop/web 81': `unknown ${RULE}[1]: addresses of IPv6 (ipVersion)`,
      'ops/tool > shop/web 82': 'denied CalicoNetworkPolicy extra',
    },
  },
  'a rule of Calico that excludes addresses from others': {
    policies: [denyAll('shop')],
    objects: [
      calico('shop.guard', {
        types: ['Egress'],
        egress: [
          {
            action: 'Allow',
            destination: { nets: ['198.51.100.0/24', '2001:db8::1'], notNets: ['198.51.100.7'] },
          },
          { action: 'Allow', destination: { nets: ['192.0.2.0/28'], notNets: ['192.0.2.0/24'] } },
        ],
      }),
    ],
    verdicts: {
      'shop/web > 198.51.100.8 443': 'allowed GlobalNetworkPolicy shop.guard spec.egress[0]',
      'shop/web > 2001:db8::1 443': 'allowed GlobalNetworkPolicy shop.guard spec.egress[0]',
      'shop/web > 198.51.100.7 443': 'denied',
      'shop/web > 192.0.2.1 443': 'denied',
    },
  },
  'a rule of Calico for all addresses but some': {
    objects: [
      calico('egress', {
        types: ['Egress'],
        egress: [{ action: 'Allow', destination: { notNets: ['203.0.113.0/24', 'fd00::/8'] } }],
      }),
    ],
    verdicts: {
      'shop/web > 198.51.100.7 443': 'allowed GlobalNetworkPolicy egress spec.egress[0]',
      'shop/web > 2001:db8::1 443': 'allowed GlobalNetworkPolicy egress spec.egress[0]',
      'shop/web > 203.0.113.7 443': 'denied GlobalNetworkPolicy egress',
      'shop/web > fd00::1 443': 'denied GlobalNetworkPolicy egress',
      'shop/web > ops/tool 80': 'allowed GlobalNetworkPolicy egress spec.egress[0]',
      'shop/web > shop/new 80':
        'unknown GlobalNetworkPolicy egress spec.egress[0]: addresses of pods (notNets)',
    },
  },
  'rules of Calico that exclude protocols and ports': {
    objects: [
      ingress(
        { action: 'Deny', protocol: 'TCP', destination: { ports: ['80:89'], notPorts: [81, '84:85'] } },
        { action: 'Allow', protocol: 'TCP', destination: { notPorts: ['0:442', '444:65535'] } },
        { action: 'Allow', notProtocol: 'TCP' },
        { action: 'Deny', protocol: 'TCP', destination: { ports: [81], notPorts: [81] } },
        { action: 'Allow', protocol: 'TCP', destination: { ports: [81] } },
        { action: 'Allow', protocol: 'TCP', destination: { notPorts: ['main'] } },
      ),
    ],
    verdicts: {
      'ops/tool > shop/web 80': `denied ${RULE}[0]`,
      'ops/tool > shop/web 81': `allowed ${RULE}[4]`,
      'ops/tool > shop/web 83': `denied ${RULE}[0]`,
      'ops/tool > shop/web 443': `allowed ${RULE}[1]`,
      'ops/tool > shop/web 53/UDP': `allowed ${RULE}[2]`,
      'ops/tool > shop/web 84': `unknown ${RULE}[5]: a protocol without ports, or ports that are excluded by name`,
    },
  },
};

/** Services that the outside reaches. */
import { parseCidr } from '../../policy/semantics/cidr.ts';
import { shortList } from '../../util/list-text.ts';
import type { Check } from '../check.ts';
import { auditedObjects, referenceOf, type Service } from './objects.ts';

export const nodePort: Check = {
  id: 'service-node-port',
  title: 'No Service is of the type NodePort',
  severity: 'medium',
  category: 'Exposure',
  controls: ['C-0256', 'C-0266', 'NSA/CISA network separation'],
  why: 'A NodePort is open at every node, for everyone who reaches one, and some engines apply no policy to it.',
  remedy: 'Use the type ClusterIP, and let an ingress controller or a Gateway lead to it.',
  needs: ['Service'],
  run: (context, report) => {
    for (const service of auditedObjects<Service>('Service', context)) {
      if (service.spec?.type !== 'NodePort') continue;
      const ports = (service.spec.ports ?? []).map((each) => String(each.nodePort ?? each.port));
      report({
        object: referenceOf('Service', service),
        field: 'spec.type',
        message: `every node opens a port for it (${shortList(ports)})`,
      });
    }
  },
};

/** Annotations by which providers make a load balancer internal. */
const INTERNAL: Readonly<Record<string, string>> = {
  'cloud.google.com/load-balancer-type': 'internal',
  'networking.gke.io/load-balancer-type': 'internal',
  'oci.oraclecloud.com/load-balancer-type': 'internal',
  'service.beta.kubernetes.io/aws-load-balancer-internal': 'true',
  'service.beta.kubernetes.io/aws-load-balancer-scheme': 'internal',
  'service.beta.kubernetes.io/azure-load-balancer-internal': 'true',
  'service.beta.kubernetes.io/oci-load-balancer-internal': 'true',
  'service.beta.kubernetes.io/openstack-internal-load-balancer': 'true',
};

function isInternal({ metadata }: Service): boolean {
  return Object.entries(INTERNAL).some(
    ([key, value]) => metadata.annotations?.[key]?.toLowerCase() === value,
  );
}

export const openLoadBalancer: Check = {
  id: 'service-load-balancer-open',
  title: 'Every load balancer limits its sources',
  severity: 'medium',
  category: 'Exposure',
  controls: ['C-0256', 'C-0266'],
  why: 'A load balancer without source ranges is open to the internet, unless its provider limits it in another way.',
  remedy: 'Set spec.loadBalancerSourceRanges, or make it internal by the annotation of your provider.',
  needs: ['Service'],
  run: (context, report) => {
    for (const service of auditedObjects<Service>('Service', context)) {
      const { type, loadBalancerSourceRanges: ranges = [] } = service.spec ?? {};
      if (type !== 'LoadBalancer' || isInternal(service)) continue;
      const everyone = ranges.find((text) => parseCidr(text)?.prefix === 0);
      if (ranges.length > 0 && everyone === undefined) continue;
      report({
        object: referenceOf('Service', service),
        field: 'spec.loadBalancerSourceRanges',
        message:
          everyone === undefined
            ? 'the load balancer has no source ranges'
            : `the load balancer is open to ${everyone}`,
      });
    }
  },
};

export const externalIPs: Check = {
  id: 'service-external-ips',
  title: 'No Service has externalIPs',
  severity: 'high',
  category: 'Exposure',
  controls: ['CVE-2020-8554', 'C-0256'],
  why: 'Nodes send traffic for these addresses to the pods of the Service, whoever the addresses belong to: whoever may write Services can intercept it.',
  remedy: 'Use a load balancer, and switch the admission plugin DenyServiceExternalIPs on.',
  needs: ['Service'],
  run: (context, report) => {
    for (const service of auditedObjects<Service>('Service', context)) {
      const addresses = service.spec?.externalIPs ?? [];
      if (addresses.length === 0) continue;
      report({
        object: referenceOf('Service', service),
        field: 'spec.externalIPs',
        message: `traffic to ${shortList(addresses)} goes to its pods`,
      });
    }
  },
};

/**
 * API versions that Kubernetes stops to serve, by release, as the lifecycle of its types says (k8s.io/api,
 * APILifecycleRemoved) and, for kinds that are gone from there, its deprecation guide. Pure.
 */

export interface ApiRemoval {
  /** The minor version of Kubernetes 1 that is the first without it. */
  readonly removedIn: number;
  /** The API version to write instead; undefined if the kind itself is gone. */
  readonly replacement: string | undefined;
}

/** The newest release whose removals are final; those of later ones may still change. */
export const LATEST_RELEASE = 37;

/** `REMOVED_IN GROUP/VERSION KIND[,KIND...] > REPLACEMENT`, where the replacement has the same kinds. */
const TABLE = `
16 apps/v1beta1 ControllerRevision,Deployment,StatefulSet > apps/v1
16 apps/v1beta2 ControllerRevision,DaemonSet,Deployment,ReplicaSet,StatefulSet > apps/v1
16 extensions/v1beta1 DaemonSet,Deployment,ReplicaSet > apps/v1
16 extensions/v1beta1 NetworkPolicy > networking.k8s.io/v1
16 extensions/v1beta1 PodSecurityPolicy
22 admissionregistration.k8s.io/v1beta1 MutatingWebhookConfiguration,ValidatingWebhookConfiguration > admissionregistration.k8s.io/v1
22 apiextensions.k8s.io/v1beta1 CustomResourceDefinition > apiextensions.k8s.io/v1
22 apiregistration.k8s.io/v1beta1 APIService > apiregistration.k8s.io/v1
22 certificates.k8s.io/v1beta1 CertificateSigningRequest > certificates.k8s.io/v1
22 coordination.k8s.io/v1beta1 Lease > coordination.k8s.io/v1
22 extensions/v1beta1 Ingress > networking.k8s.io/v1
22 networking.k8s.io/v1beta1 Ingress,IngressClass > networking.k8s.io/v1
22 rbac.authorization.k8s.io/v1beta1 ClusterRole,ClusterRoleBinding,Role,RoleBinding > rbac.authorization.k8s.io/v1
22 scheduling.k8s.io/v1beta1 PriorityClass > scheduling.k8s.io/v1
22 storage.k8s.io/v1beta1 CSIDriver,CSINode,StorageClass,VolumeAttachment > storage.k8s.io/v1
24 storage.k8s.io/v1alpha1 CSIStorageCapacity,VolumeAttachment > storage.k8s.io/v1
25 autoscaling/v2beta1 HorizontalPodAutoscaler > autoscaling/v2
25 batch/v1beta1 CronJob > batch/v1
25 discovery.k8s.io/v1beta1 EndpointSlice > discovery.k8s.io/v1
25 events.k8s.io/v1beta1 Event > events.k8s.io/v1
25 node.k8s.io/v1beta1 RuntimeClass > node.k8s.io/v1
25 policy/v1beta1 PodDisruptionBudget > policy/v1
25 policy/v1beta1 PodSecurityPolicy
26 autoscaling/v2beta2 HorizontalPodAutoscaler > autoscaling/v2
26 flowcontrol.apiserver.k8s.io/v1beta1 FlowSchema,PriorityLevelConfiguration > flowcontrol.apiserver.k8s.io/v1
27 storage.k8s.io/v1beta1 CSIStorageCapacity > storage.k8s.io/v1
29 flowcontrol.apiserver.k8s.io/v1beta2 FlowSchema,PriorityLevelConfiguration > flowcontrol.apiserver.k8s.io/v1
32 admissionregistration.k8s.io/v1alpha1 ValidatingAdmissionPolicy,ValidatingAdmissionPolicyBinding > admissionregistration.k8s.io/v1
32 flowcontrol.apiserver.k8s.io/v1beta3 FlowSchema,PriorityLevelConfiguration > flowcontrol.apiserver.k8s.io/v1
34 admissionregistration.k8s.io/v1beta1 ValidatingAdmissionPolicy,ValidatingAdmissionPolicyBinding > admissionregistration.k8s.io/v1
35 storage.k8s.io/v1alpha1 VolumeAttributesClass > storage.k8s.io/v1
37 certificates.k8s.io/v1alpha1 ClusterTrustBundle > certificates.k8s.io/v1
37 networking.k8s.io/v1beta1 IPAddress,ServiceCIDR > networking.k8s.io/v1
37 storage.k8s.io/v1beta1 VolumeAttributesClass > storage.k8s.io/v1
38 admissionregistration.k8s.io/v1alpha1 MutatingAdmissionPolicy,MutatingAdmissionPolicyBinding > admissionregistration.k8s.io/v1
38 resource.k8s.io/v1beta1 DeviceClass,ResourceClaim,ResourceClaimTemplate,ResourceSlice > resource.k8s.io/v1
39 resource.k8s.io/v1alpha3 DeviceTaintRule > resource.k8s.io/v1
39 resource.k8s.io/v1beta2 DeviceClass,ResourceClaim,ResourceClaimTemplate,ResourceSlice > resource.k8s.io/v1
40 admissionregistration.k8s.io/v1beta1 MutatingAdmissionPolicy,MutatingAdmissionPolicyBinding > admissionregistration.k8s.io/v1
40 certificates.k8s.io/v1beta1 ClusterTrustBundle,PodCertificateRequest > certificates.k8s.io/v1
40 storagemigration.k8s.io/v1beta1 StorageVersionMigration > storagemigration.k8s.io/v1
`;

const REMOVALS = new Map<string, ApiRemoval>(
  TABLE.trim()
    .split('\n')
    .flatMap((line) => {
      const [from = '', replacement] = line.split(' > ');
      const [release = '', apiVersion = '', kinds = ''] = from.split(' ');
      return kinds
        .split(',')
        .map((kind): [string, ApiRemoval] => [
          `${apiVersion} ${kind}`,
          { removedIn: Number(release), replacement },
        ]);
    }),
);

/** When Kubernetes stops to serve the kind in this API version; undefined if no release is known to. */
export function removalOf(apiVersion: string, kind: string): ApiRemoval | undefined {
  return REMOVALS.get(`${apiVersion} ${kind}`);
}

/** All removals, by `GROUP/VERSION KIND`. */
export function removals(): ReadonlyMap<string, ApiRemoval> {
  return REMOVALS;
}

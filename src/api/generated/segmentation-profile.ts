// Generated from crds/ by `npm run generate`. Do not edit.

/**
 * Enforce writes the policies. Audit writes none: it computes them and reports in the status what Enforce would do. A profile that goes from Enforce to Audit has its policies removed.
 */
export type Mode = 'Enforce' | 'Audit';
/**
 * The effect of deleting the profile on its policies. Delete removes them. Retain leaves them in place, and a new profile of the same name takes them over.
 */
export type DeletionPolicy = 'Delete' | 'Retain';
/**
 * A direction, seen from the pods of the selected namespaces.
 */
export type Direction = 'Ingress' | 'Egress';
/**
 * Whether an entry of the baseline is allowed.
 */
export type Allowance = 'Allow' | 'Deny';
/**
 * The action for an object that breaks a limit of the group. Enforce refuses it, and warns of a workload whose pods would be refused. Warn admits it with a warning, Audit with an annotation in the API server's audit log. Disabled does nothing.
 */
export type WorkloadAction = 'Enforce' | 'Warn' | 'Audit' | 'Disabled';
/**
 * Enforce: the guard is written. Audit: it is not, and the status lists the policies of others that it would take something from; on Calico it is staged, so that flow logs show what it would deny. Disabled: there is none.
 */
export type GuardMode = 'Enforce' | 'Audit' | 'Disabled';
/**
 * Disabled: no exception is in force. Allowed: those within this grant are. ApprovalRequired: only after somebody else, who may `approve` segmentationexceptions, has approved them.
 */
export type ExceptionMode = 'Disabled' | 'Allowed' | 'ApprovalRequired';
/**
 * A kind of peer.
 */
export type PeerKind = 'Pods' | 'Service' | 'ServiceAccount' | 'IPBlock' | 'Entity' | 'FQDN';
/**
 * In and NotIn compare the label's value with `values` (NotIn holds also where the label is absent); Exists and DoesNotExist look at the key only.
 */
export type SelectorOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
/**
 * Something that every cluster has, found by the operator. KubeAPIServer: the API server's addresses. ClusterDNS: the pods of the cluster's DNS. Nodes: the addresses of all nodes. IngressControllers and Monitoring: what the operator is configured with under these names. World: every address but the cluster's own and link-local ones (cloud metadata). Any: everyone, without limit.
 */
export type Entity =
  'KubeAPIServer' | 'ClusterDNS' | 'Nodes' | 'IngressControllers' | 'Monitoring' | 'World' | 'Any';
/**
 * The protocol of the port.
 */
export type Protocol = 'TCP' | 'UDP' | 'SCTP';
/**
 * True, False or Unknown.
 */
export type ConditionStatus = 'True' | 'False' | 'Unknown';
/**
 * The namespaces to isolate, and the traffic to allow.
 */
export interface SegmentationProfileSpec {
  /**
   * Enforce writes the policies. Audit writes none: it computes them and reports in the status what Enforce would do. A profile that goes from Enforce to Audit has its policies removed.
   */
  mode: Mode;
  /**
   * Required. Selects the namespaces to isolate by their labels; `{}` selects every one. kube-system, kube-public, kube-node-lease and the operator's own namespace are protected: they are never selected, unless the operator's configuration says so.
   */
  namespaceSelector: LabelSelector;
  /**
   * Names of namespaces that are not selected although `namespaceSelector` matches them.
   *
   * Items: The name of a namespace.
   */
  excludeNamespaces?: string[];
  /**
   * The isolated directions: everything is denied that no rule and no baseline entry allows. In a direction that is not listed, nothing is denied, and rules are refused.
   *
   * Items: A direction, seen from the pods of the selected namespaces.
   */
  isolation: Direction[];
  /**
   * The effect of deleting the profile on its policies. Delete removes them. Retain leaves them in place, and a new profile of the same name takes them over.
   */
  deletionPolicy: DeletionPolicy;
  /**
   * Traffic that nearly every workload needs, allowed or denied in all selected namespaces.
   */
  baseline: Baseline;
  /**
   * Identities of the service mesh on top of the policies: a connection to a pod with a sidecar passes if a policy allows it, and the mesh does. Nothing by default. Needs config/engines/istio and config/engines/istio-policies; the condition MeshReady says how it stands.
   */
  mesh?: MeshOverlay;
  /**
   * Requests that the API server itself refuses for the profile, from the first pod on. Nothing by default. Needs the policies of config/admission; the condition AdmissionReady says what is in force.
   */
  admission?: Admission;
  /**
   * Limits of the pods that may run in the selected namespaces, which the API server itself enforces when pods are created or changed. Nothing by default. Needs the policies of config/workloads; the condition AdmissionReady says if they are in force. What runs already stays, and is counted in `status.workloads`.
   */
  workloads?: Workloads;
  /**
   * Brings a change of the profile to the selected namespaces in waves, one after the other, instead of to all at once. The first enforcement and a change of `mode` are such changes too. `admission`, `workloads`, `exceptions`, `guard` and `deletionPolicy` are not part of it: they take effect at once. Needs the permission of config/rollout.
   */
  rollout?: Rollout;
  /**
   * The outer boundary of the selected namespaces, which no NetworkPolicy of others can widen: one policy of the cluster denies, in the directions of `isolation`, what no profile allows there. Flows between the selected namespaces are not its concern. Nothing by default. Needs `guard` in the operator's configuration and a network engine that enforces its kind; the condition GuardReady says how it stands.
   */
  guard?: Guard;
  /**
   * The grant for SegmentationExceptions, by which people of a selected namespace open flows of its pods for a while. Nothing by default. Needs config/exceptions; the condition ExceptionsReady says if the operator reads them.
   */
  exceptions?: ExceptionGrant;
  /**
   * Flows that may reach the pods of the selected namespaces. Each rule adds to what is allowed; order has no meaning. Needs Ingress in `isolation`.
   *
   * Items: Allows traffic from the peers of `from` to `ports` of the pods that `podSelector` selects.
   */
  ingress?: IngressRule[];
  /**
   * Flows that may leave the pods of the selected namespaces. Each rule adds to what is allowed; order has no meaning. Needs Egress in `isolation`.
   *
   * Items: Allows traffic from the pods that `podSelector` selects to `ports` of the peers of `to`.
   */
  egress?: EgressRule[];
  /**
   * Flows between two ends, each written once. A selected namespace in which an end lies gets the rule for that end: egress for `from`, ingress for `to`, as far as `isolation` has the direction. Each connection adds to what is allowed; order has no meaning.
   *
   * Items: Allows traffic from each end of `from` to `ports` of each end of `to`. An end is a peer: pods of selected namespaces, or something outside of them, which gets no rule.
   */
  connections?: Connection[];
}
/**
 * The state that the operator has found, and its results. Only the operator writes it.
 */
export interface SegmentationProfileStatus {
  /**
   * The `metadata.generation` that the rest of the status is about.
   */
  observedGeneration?: number;
  /**
   * Ready: all that the profile asks for is in place. Reconciling: work is under way. Stalled: a person must act. PeersResolved: every peer of every rule and connection is known. ConnectionsUnused, where there are connections: some have no end in a selected namespace. EnforcementVerified: packets show that the network plugin enforces policies. AdmissionReady, where `admission` or `workloads` asks for something: it is in force. PodSecurityReady, where `workloads.podSecurity` is there: its levels are in force. ExceptionsReady, where `exceptions` grants some: the operator reads them. ImagesVerified, where `workloads.images` is there: something verifies the signatures of images in the selected namespaces. RolloutReady, where there is a `rollout`: it is complete. AuditClean, where the operator audits the cluster: the selected namespaces have no finding. EngineReady, where the operator looks for the network engine and peers depend on it: evidence confirms the engine. MeshReady, where the operator knows the service mesh, and `baseline.mesh` or `mesh` asks for it: evidence confirms the mesh, and what `mesh` asks for is in force; also where rules have no effect on pods in ambient mode. GuardReady, where there is a `guard`: it is in place.
   *
   * Items: An aspect of the profile's state.
   */
  conditions?: Condition[];
  /**
   * Counts of the selected namespaces by their state.
   */
  namespaces?: NamespaceCounts;
  /**
   * Counts of the profile's NetworkPolicies in all namespaces.
   */
  policies?: PolicyCounts;
  /**
   * Existing policies that `tenantPolicies` would refuse. Absent if it is Any.
   */
  admission?: AdmissionFindings;
  /**
   * Objects that exist and that `workloads` would not admit now. They are counted some minutes after one another, and never changed. Absent until they were counted.
   */
  workloads?: WorkloadFindings;
  /**
   * The Pod Security levels of the selected namespaces.
   */
  podSecurity?: PodSecurityStatus;
  /**
   * In how many selected namespaces something verifies the signatures of images. The operator verifies none. Absent without `workloads.images`.
   */
  imageVerification?: {
    /**
     * Selected namespaces in which each image that may run is verified.
     */
    verified: number;
    /**
     * Selected namespaces in which nothing is known to verify images.
     */
    unverified: number;
    /**
     * Selected namespaces in which some images are verified, or it depends on facts that are not known.
     */
    undetermined: number;
    /**
     * Namespaces that are unverified or undetermined, ordered by name; at most the first 50.
     *
     * Items: A namespace in which images are not known to be verified.
     */
    namespaces?: {
      /**
       * The name of the namespace.
       */
      namespace: string;
      /**
       * Unverified or Undetermined.
       */
      reason: string;
      /**
       * The objects that seem to be for it, and why they do not verify each image.
       */
      message: string;
    }[];
  };
  /**
   * The guard of the profile, and the policies of others that it concerns.
   */
  guard?: GuardStatus;
  /**
   * How far the rollout of the profile is. Which revision each namespace has follows from it.
   */
  rollout?: RolloutStatus;
  /**
   * Namespaces with a failure, ordered by name; at most the first 50.
   *
   * Items: The failure of one namespace.
   */
  failures?: Failure[];
}
/**
 * Traffic that nearly every workload needs, allowed or denied in all selected namespaces.
 */
export interface Baseline {
  /**
   * Egress to the cluster's DNS, UDP and TCP port 53: its pods, and the node-local DNS cache where the operator is configured with its address.
   */
  dns: Allowance;
  /**
   * Ingress from the API server to the pods behind admission webhooks, aggregated APIs and CRD conversion webhooks. Denied, creating and changing objects can fail in the whole cluster.
   */
  admissionWebhooks: Allowance;
  /**
   * All traffic between the pods of one namespace, in the isolated directions.
   */
  sameNamespace: Allowance;
  /**
   * Egress to the Kubernetes API server, which controllers and operators need.
   */
  kubeAPIServer: Allowance;
  /**
   * Ingress from the ingress controllers and gateways that the operator is configured with.
   */
  ingressControllers: Allowance;
  /**
   * Ingress from the monitoring stack that the operator is configured with, to scrape metrics.
   */
  monitoring: Allowance;
  /**
   * Flows that sidecars of the service mesh need in the namespaces that it injects them into: egress to its control plane, and ingress from the monitoring stack on their own ports. In ambient mode, connections between pods of the mesh, if `mesh.authorization` is Enforce. The operator has to know the mesh (`mesh` of its configuration).
   */
  mesh: Allowance;
}
/**
 * Identities of the service mesh on top of the policies: a connection to a pod with a sidecar passes if a policy allows it, and the mesh does. Nothing by default. Needs config/engines/istio and config/engines/istio-policies; the condition MeshReady says how it stands.
 */
export interface MeshOverlay {
  /**
   * Enforce writes AuthorizationPolicies for the ingress rules of all profiles in the namespace: peers in the mesh are told by their identity, all others as far as an address tells them. Audit writes them as a dry run, which enforces nothing.
   */
  authorization: GuardMode;
  /**
   * Strict refuses connections without mutual TLS. It is written once no rule has a peer that is out of the mesh; until then, MeshReady lists the rules.
   */
  mtls: 'Strict' | 'Disabled';
}
/**
 * Requests that the API server itself refuses for the profile, from the first pod on. Nothing by default. Needs the policies of config/admission; the condition AdmissionReady says what is in force.
 */
export interface Admission {
  /**
   * Enforce: no pod is admitted to a selected namespace before its default-deny exists. Running pods are not affected.
   */
  gate: 'Enforce' | 'Disabled';
  /**
   * Enforce refuses, Warn warns of, every change and deletion of the profile's policies by anybody but the operator, Kubernetes' own clean-up and `breakGlassGroups`.
   */
  protect: 'Enforce' | 'Warn' | 'Disabled';
  /**
   * Which NetworkPolicies others may write in the selected namespaces: policies add up, so that theirs can widen the profile. WithinNamespace: in the isolated directions only peers in the same namespace. None: none. What exists already stays, and is reported in `status.admission`.
   */
  tenantPolicies: 'Any' | 'WithinNamespace' | 'None';
  /**
   * The action for a NetworkPolicy that `tenantPolicies` does not admit: Enforce refuses it, Warn admits it with a warning, Audit admits it with an annotation in the API server's audit log.
   */
  tenantPoliciesAction: 'Enforce' | 'Warn' | 'Audit';
  /**
   * Groups of users that `protect` and `tenantPolicies` exempt, for emergencies.
   *
   * Items: The name of a group, as the API server's authentication gives it.
   */
  breakGlassGroups?: string[];
}
/**
 * Limits of the pods that may run in the selected namespaces, which the API server itself enforces when pods are created or changed. Nothing by default. Needs the policies of config/workloads; the condition AdmissionReady says if they are in force. What runs already stays, and is counted in `status.workloads`.
 */
export interface Workloads {
  /**
   * Groups of users that all limits of `workloads` exempt, for emergencies.
   *
   * Items: The name of a group, as the API server's authentication gives it.
   */
  breakGlassGroups?: string[];
  /**
   * Limits of the images of containers, init containers, ephemeral containers and image volumes.
   */
  images?: ImageLimits;
  /**
   * Limits of the resources of containers and init containers. Resources of the whole pod are for all of its containers.
   */
  resources?: ResourceLimits;
  /**
   * Limits of the ServiceAccounts that pods run as, and of their tokens for the API server.
   */
  serviceAccounts?: ServiceAccountLimits;
  /**
   * Limits of how workloads are exposed, by their ports on nodes, Services, Ingresses, and routes of the Gateway API.
   */
  exposure?: ExposureLimits;
  /**
   * Limits of the powers of pods over their node, for clusters that can't use Pod Security yet, and of who may add ephemeral containers to pods and connect to them.
   */
  privileged?: PrivilegedLimits;
  /**
   * Pod Security levels, by labels on the selected namespaces. Labels are only raised, never lowered, and never changed if somebody else manages them. Of several profiles, the highest level counts. Needs the permission of config/pod-security; the condition PodSecurityReady says what is in force.
   */
  podSecurity?: PodSecurity;
}
/**
 * Limits of the images of containers, init containers, ephemeral containers and image volumes.
 */
export interface ImageLimits {
  /**
   * The action for an object that breaks a limit of the group. Enforce refuses it, and warns of a workload whose pods would be refused. Warn admits it with a warning, Audit with an annotation in the API server's audit log. Disabled does nothing.
   */
  action: WorkloadAction;
  /**
   * Registries, each with or without the beginning of a path, from which images may be used: `registry.example.com`, `registry.example.com:5000/team`, `docker.io/library`. Hosts, ports and parts of paths are compared as they are written. An image without a host is of docker.io. Absent: any.
   *
   * Items: A host, with or without port and path.
   */
  registries?: string[];
  /**
   * Required: each image is named by its digest, `NAME@sha256:DIGEST`, with or without a tag beside it.
   */
  digest: 'Required' | 'Optional';
  /**
   * Tags that images without a digest must not have.
   */
  tags?: {
    /**
     * Tags, such as `latest`, which is also the tag of an image that names none.
     *
     * Items: A tag.
     */
    deny: string[];
  };
  /**
   * Images, or beginnings of their paths, that no limit of the group is for, such as `registry.k8s.io/pause`.
   *
   * Items: A host, with or without port and path.
   */
  exempt?: string[];
}
/**
 * Limits of the resources of containers and init containers. Resources of the whole pod are for all of its containers.
 */
export interface ResourceLimits {
  /**
   * The action for an object that breaks a limit of the group. Enforce refuses it, and warns of a workload whose pods would be refused. Warn admits it with a warning, Audit with an annotation in the API server's audit log. Disabled does nothing.
   */
  action: WorkloadAction;
  /**
   * Resources for which each container has a request. A limit stands for the request, as the API server takes it for that.
   *
   * Items: A resource.
   */
  requests?: ('cpu' | 'memory' | 'ephemeral-storage')[];
  /**
   * Resources for which each container has a limit.
   *
   * Items: A resource.
   */
  limits?: ('cpu' | 'memory' | 'ephemeral-storage')[];
  /**
   * The highest limit of each container, and of the pod as a whole if it has one, such as `{cpu: "4", memory: 8Gi}`. No container may lack a limit for these resources.
   */
  maxLimits?: {
    /**
     * A quantity, such as `500m` or `8Gi`.
     */
    [k: string]: number | string;
  };
}
/**
 * Limits of the ServiceAccounts that pods run as, and of their tokens for the API server.
 */
export interface ServiceAccountLimits {
  /**
   * The action for an object that breaks a limit of the group. Enforce refuses it, and warns of a workload whose pods would be refused. Warn admits it with a warning, Audit with an annotation in the API server's audit log. Disabled does nothing.
   */
  action: WorkloadAction;
  /**
   * Deny: no pod runs as the ServiceAccount `default`, whose permissions all pods share that name none.
   */
  defaultAccount: Allowance;
  /**
   * IfUsed: only a pod that says `automountServiceAccountToken: true` has its token mounted automatically. Deny: no pod has a token for the API server, neither automatically nor by a projected volume.
   */
  automountToken: 'Allow' | 'IfUsed' | 'Deny';
  /**
   * The names of the ServiceAccounts as which pods may run. Absent: any.
   *
   * Items: The name of a ServiceAccount.
   */
  allowed?: string[];
}
/**
 * Limits of how workloads are exposed, by their ports on nodes, Services, Ingresses, and routes of the Gateway API.
 */
export interface ExposureLimits {
  /**
   * The action for an object that breaks a limit of the group. Enforce refuses it, and warns of a workload whose pods would be refused. Warn admits it with a warning, Audit with an annotation in the API server's audit log. Disabled does nothing.
   */
  action: WorkloadAction;
  /**
   * Deny: no Service opens ports of every node, by type NodePort, or by type LoadBalancer without `allocateLoadBalancerNodePorts: false`.
   */
  nodePort: Allowance;
  /**
   * Deny: no Service takes the traffic of addresses that it names as `externalIPs`.
   */
  externalIPs: Allowance;
  /**
   * Deny: no container has a port on its node. Ports of a pod on the host network are such.
   */
  hostPort: Allowance;
  /**
   * Limits of Services of type LoadBalancer.
   */
  loadBalancer?: LoadBalancerLimits;
  /**
   * Hosts for which Ingresses and routes may be: `shop.example.com`, or `*.shop.example.com` for every name below it. An Ingress or route without a host is for every host. Absent: any.
   *
   * Items: A host, or `*.` and a host.
   */
  hosts?: string[];
}
/**
 * Limits of Services of type LoadBalancer.
 */
export interface LoadBalancerLimits {
  /**
   * Required: the Service lists the addresses of its clients as `loadBalancerSourceRanges`, and not all addresses.
   */
  sourceRanges: 'Required' | 'Optional';
  /**
   * The values that `loadBalancerClass` may have. An empty list admits no load balancer. Absent: any, and none.
   *
   * Items: A class of load balancers.
   */
  classes?: string[];
}
/**
 * Limits of the powers of pods over their node, for clusters that can't use Pod Security yet, and of who may add ephemeral containers to pods and connect to them.
 */
export interface PrivilegedLimits {
  /**
   * The action for an object that breaks a limit of the group. Enforce refuses it, and warns of a workload whose pods would be refused. Warn admits it with a warning, Audit with an annotation in the API server's audit log. Disabled does nothing.
   */
  action: WorkloadAction;
  /**
   * Deny: no pod is on the network of its node, where no NetworkPolicy applies to it.
   */
  hostNetwork: Allowance;
  /**
   * Deny: no pod sees the processes of its node.
   */
  hostPID: Allowance;
  /**
   * Deny: no pod shares the memory segments of its node.
   */
  hostIPC: Allowance;
  /**
   * Deny: no volume of a pod is a path of its node.
   */
  hostPath: Allowance;
  /**
   * Deny: no container is privileged, and none is a host process of Windows.
   */
  privileged: Allowance;
  /**
   * Limits of the capabilities that containers add.
   */
  capabilities?: {
    /**
     * Capabilities that may be added, as they are written there. An empty list admits none.
     *
     * Items: A capability, such as NET_BIND_SERVICE.
     */
    allowed: string[];
  };
  /**
   * Who may add ephemeral containers to pods (`kubectl debug`).
   */
  ephemeralContainers?: {
    /**
     * Groups of users who may. An empty list means nobody.
     *
     * Items: The name of a group, as the API server's authentication gives it.
     */
    groups: string[];
  };
  /**
   * Who may connect to pods by exec, attach and port-forward.
   */
  connect?: {
    /**
     * Groups of users who may. An empty list means nobody.
     *
     * Items: The name of a group, as the API server's authentication gives it.
     */
    groups: string[];
  };
}
/**
 * Pod Security levels, by labels on the selected namespaces. Labels are only raised, never lowered, and never changed if somebody else manages them. Of several profiles, the highest level counts. Needs the permission of config/pod-security; the condition PodSecurityReady says what is in force.
 */
export interface PodSecurity {
  /**
   * New pods that violate the level are refused. While running pods violate it, the label is not raised, unless `acknowledge` names the namespace.
   */
  enforce?: 'baseline' | 'restricted';
  /**
   * Whoever creates a pod that violates the level gets a warning.
   */
  warn?: 'baseline' | 'restricted';
  /**
   * A pod that violates the level is annotated in the API server's audit log.
   */
  audit?: 'baseline' | 'restricted';
  /**
   * The version of Kubernetes whose definition of the levels counts, such as `v1.36`; `latest` is the API server's own.
   */
  version: string;
  /**
   * Namespaces in which `enforce` is raised although running pods violate it. These pods go on; when they are created anew, they are refused.
   */
  acknowledge?: {
    /**
     * The acknowledged level, which is that of `enforce` beside it.
     */
    enforce: 'baseline' | 'restricted';
    /**
     * Names of namespaces; `"*"` stands for all selected ones.
     *
     * Items: The name of a namespace, or `*`.
     */
    namespaces: string[];
  };
}
/**
 * Brings a change of the profile to the selected namespaces in waves, one after the other, instead of to all at once. The first enforcement and a change of `mode` are such changes too. `admission`, `workloads`, `exceptions`, `guard` and `deletionPolicy` are not part of it: they take effect at once. Needs the permission of config/rollout.
 */
export interface Rollout {
  /**
   * Required. The waves, in order. A namespace belongs to the first wave that selects it. Those that no wave selects form a last wave, `rest`, which has no soak time. A rollout keeps the waves with which it began; changed ones serve the next rollout.
   *
   * Items: Some of the selected namespaces, which get a change together.
   */
  waves: Wave[];
  /**
   * At most so many namespaces of a wave get the change at a time; the next follow when their policies are in place. By default all at once.
   */
  maxParallel?: number;
  /**
   * The rollout has failed if, so long after namespaces of a wave were last let in, one of them still lacks the change.
   */
  deadline: string;
  /**
   * Observations under which the rollout has failed, as long as a wave is under way. Nothing by default.
   */
  gates?: Gates;
  /**
   * Rollback: all namespaces that have the change get back what they had before, at once. Pause: they keep it, and the rollout waits for a person.
   */
  onFailure: 'Rollback' | 'Pause';
  /**
   * True: no further namespace gets the change. Namespaces that have it keep it.
   */
  paused: boolean;
}
/**
 * Some of the selected namespaces, which get a change together.
 */
export interface Wave {
  /**
   * The name of the wave, unique in the profile.
   */
  name: string;
  /**
   * The namespaces with these labels.
   */
  namespaceSelector?: LabelSelector;
  /**
   * This share of all selected namespaces, with those of earlier waves by `percent`. The names of profile and namespace decide, so that a namespace does not change its wave when others come and go.
   */
  percent?: number;
  /**
   * How long the rollout waits once all namespaces of the wave have the change, such as `30m` or `24h`.
   */
  soak: string;
}
/**
 * Observations under which the rollout has failed, as long as a wave is under way. Nothing by default.
 */
export interface Gates {
  /**
   * Deployments, StatefulSets and DaemonSets of the wave's namespaces, and pods of no such workload. One is unavailable if it has fewer available pods than its strategy allows; such a pod, if it is not ready. Those that were unavailable when the wave began, and those created since, do not count.
   */
  workloads?: WorkloadGate;
  /**
   * Queries to the Prometheus of the operator's configuration, each with a bound. A wave begins once all values are within their bounds. As long as it is under way, a value beyond its bound is a failure. A query without a value keeps the rollout where it is, and is a failure after `deadline`.
   *
   * Items: A query and the bound of its value.
   */
  prometheus?: QueryGate[];
}
/**
 * Deployments, StatefulSets and DaemonSets of the wave's namespaces, and pods of no such workload. One is unavailable if it has fewer available pods than its strategy allows; such a pod, if it is not ready. Those that were unavailable when the wave began, and those created since, do not count.
 */
export interface WorkloadGate {
  /**
   * More unavailable workloads than this are a failure.
   */
  maxUnavailable: number;
  /**
   * How long a workload has to be unavailable to count.
   */
  for: string;
}
/**
 * A query and the bound of its value.
 */
export interface QueryGate {
  /**
   * The name of the query in messages, unique in the profile.
   */
  name: string;
  /**
   * A PromQL expression that gives one number, such as a sum. It sees all that this Prometheus has.
   */
  query: string;
  /**
   * A larger value is beyond the bound.
   */
  max?: number;
  /**
   * A smaller value is beyond the bound.
   */
  min?: number;
  /**
   * How long the value has to be beyond the bound to be a failure.
   */
  for: string;
}
/**
 * The outer boundary of the selected namespaces, which no NetworkPolicy of others can widen: one policy of the cluster denies, in the directions of `isolation`, what no profile allows there. Flows between the selected namespaces are not its concern. Nothing by default. Needs `guard` in the operator's configuration and a network engine that enforces its kind; the condition GuardReady says how it stands.
 */
export interface Guard {
  /**
   * Enforce: the guard is written. Audit: it is not, and the status lists the policies of others that it would take something from; on Calico it is staged, so that flow logs show what it would deny. Disabled: there is none.
   */
  mode: GuardMode;
}
/**
 * The grant for SegmentationExceptions, by which people of a selected namespace open flows of its pods for a while. Nothing by default. Needs config/exceptions; the condition ExceptionsReady says if the operator reads them.
 */
export interface ExceptionGrant {
  /**
   * Disabled: no exception is in force. Allowed: those within this grant are. ApprovalRequired: only after somebody else, who may `approve` segmentationexceptions, has approved them.
   */
  mode: ExceptionMode;
  /**
   * The longest time from the creation of an exception to its end, extensions included, in hours and minutes such as `8h`.
   */
  maxDuration: string;
  /**
   * The kinds of peers that exceptions may name. Pods: podSelector, namespaceSelector, namespaces and sameNamespaceLabels. IPBlock, Entity and FQDN reach outside of the cluster.
   *
   * Items: A kind of peer.
   */
  peers: PeerKind[];
  /**
   * Most exceptions of a namespace that are in force or wait for approval at a time. The oldest ones count first.
   */
  maxPerNamespace: number;
}
/**
 * Allows traffic from the peers of `from` to `ports` of the pods that `podSelector` selects.
 */
export interface IngressRule {
  /**
   * Identifies the rule among those of its direction, in policies, status and metrics: lower-case letters, digits and `-`.
   */
  name: string;
  /**
   * Why this is allowed, for those who find the policy in a namespace. It is kept on the policy.
   */
  description?: string;
  /**
   * Selects the pods of the namespace that the rule is for, by their labels. Absent or `{}`: all of them.
   */
  podSelector?: LabelSelector;
  /**
   * The selected namespaces in which the rule is written: those with these names, or with these labels. Absent: all of them.
   */
  inNamespaces?: NamespaceScope;
  /**
   * Required. Who may connect: at least one peer. For everyone write `entity: Any`.
   *
   * Items: The other side of the traffic, in exactly one way: `podSelector`, `namespaceSelector`, `namespaces`, `sameNamespaceLabels`, `ipBlock`, `service`, `serviceAccount`, `entity` or `fqdn`. `podSelector` may stand beside `namespaceSelector`, `namespaces` and `sameNamespaceLabels`: some pods of those namespaces.
   */
  from: Peer[];
  /**
   * The ports of the selected pods that may be reached. Absent or empty: every port of every protocol.
   *
   * Items: One port, or a range of ports, of one protocol.
   */
  ports?: Port[];
}
/**
 * Allows traffic from the pods that `podSelector` selects to `ports` of the peers of `to`.
 */
export interface EgressRule {
  /**
   * Identifies the rule among those of its direction, in policies, status and metrics: lower-case letters, digits and `-`.
   */
  name: string;
  /**
   * Why this is allowed, for those who find the policy in a namespace. It is kept on the policy.
   */
  description?: string;
  /**
   * Selects the pods of the namespace that the rule is for, by their labels. Absent or `{}`: all of them.
   */
  podSelector?: LabelSelector;
  /**
   * The selected namespaces in which the rule is written: those with these names, or with these labels. Absent: all of them.
   */
  inNamespaces?: NamespaceScope;
  /**
   * Required. What may be reached: at least one peer. For everything write `entity: Any`.
   *
   * Items: The other side of the traffic, in exactly one way: `podSelector`, `namespaceSelector`, `namespaces`, `sameNamespaceLabels`, `ipBlock`, `service`, `serviceAccount`, `entity` or `fqdn`. `podSelector` may stand beside `namespaceSelector`, `namespaces` and `sameNamespaceLabels`: some pods of those namespaces.
   */
  to: Peer[];
  /**
   * The ports of the peers that may be reached. Absent or empty: every port of every protocol; of a Service, KubeAPIServer and ClusterDNS the ports that they serve, and no others.
   *
   * Items: One port, or a range of ports, of one protocol.
   */
  ports?: Port[];
}
/**
 * Allows traffic from each end of `from` to `ports` of each end of `to`. An end is a peer: pods of selected namespaces, or something outside of them, which gets no rule.
 */
export interface Connection {
  /**
   * Identifies the connection among the connections and rules of the profile, in policies, status and metrics: lower-case letters, digits and `-`.
   */
  name: string;
  /**
   * Why this is allowed, for those who find the policy in a namespace. It is kept on the policy.
   */
  description?: string;
  /**
   * Required. The ends that connect: at least one peer. `podSelector` alone means the same namespace as the other end or, if that is no pod, every selected namespace.
   *
   * Items: The other side of the traffic, in exactly one way: `podSelector`, `namespaceSelector`, `namespaces`, `sameNamespaceLabels`, `ipBlock`, `service`, `serviceAccount`, `entity` or `fqdn`. `podSelector` may stand beside `namespaceSelector`, `namespaces` and `sameNamespaceLabels`: some pods of those namespaces.
   */
  from: Peer[];
  /**
   * Required. The ends that are connected to: at least one peer, read as those of `from`.
   *
   * Items: The other side of the traffic, in exactly one way: `podSelector`, `namespaceSelector`, `namespaces`, `sameNamespaceLabels`, `ipBlock`, `service`, `serviceAccount`, `entity` or `fqdn`. `podSelector` may stand beside `namespaceSelector`, `namespaces` and `sameNamespaceLabels`: some pods of those namespaces.
   */
  to: Peer[];
  /**
   * The ports of the ends of `to` that may be reached. Absent or empty: every port of every protocol; of a Service, KubeAPIServer and ClusterDNS the ports that they serve, and no others.
   *
   * Items: One port, or a range of ports, of one protocol.
   */
  ports?: Port[];
}
/**
 * The selected namespaces in which the rule is written: those with these names, or with these labels. Absent: all of them.
 */
export interface NamespaceScope {
  /**
   * The names of the namespaces.
   *
   * Items: The name of a namespace.
   */
  names?: string[];
  /**
   * Selects the namespaces by their labels.
   */
  selector?: LabelSelector;
}
/**
 * The other side of the traffic, in exactly one way: `podSelector`, `namespaceSelector`, `namespaces`, `sameNamespaceLabels`, `ipBlock`, `service`, `serviceAccount`, `entity` or `fqdn`. `podSelector` may stand beside `namespaceSelector`, `namespaces` and `sameNamespaceLabels`: some pods of those namespaces.
 */
export interface Peer {
  /**
   * Pods with these labels: in the namespaces that the other field of the peer names or, without one, in the same namespace. `{}` selects all pods there.
   */
  podSelector?: LabelSelector;
  /**
   * Namespaces with these labels; `{}` selects every one. All their pods, or those that `podSelector` selects.
   */
  namespaceSelector?: LabelSelector;
  /**
   * The pods of the namespaces with these names: all of them, or those that `podSelector` selects.
   *
   * Items: The name of a namespace.
   */
  namespaces?: string[];
  /**
   * The pods of the namespaces in which each of these labels has the same value as in the pod's own namespace: `[team]` lets the namespaces of one team reach each other. All pods there, or those that `podSelector` selects. A selected namespace that lacks one of the labels is reported in the status.
   *
   * Items: The key of a label of namespaces.
   */
  sameNamespaceLabels?: string[];
  /**
   * Addresses outside the cluster, IPv4 or IPv6. Pods are not reliably matched by their addresses: use selectors for them.
   */
  ipBlock?: IPBlock;
  /**
   * The pods behind a Service: those that its selector selects or, for a Service without selector, the addresses of its EndpointSlices. In `to` of a rule without `ports`, the ports that the Service leads to are allowed, and no others.
   */
  service?: ServiceReference;
  /**
   * The pods that run as a ServiceAccount. The API server labels each new pod of that namespace with its account, by the policies of config/service-accounts (Kubernetes 1.36 or later), and refuses other writes of that label. Older pods must be recreated; the status counts them.
   */
  serviceAccount?: {
    /**
     * The namespace of the ServiceAccount, and of its pods.
     */
    namespace: string;
    /**
     * The name of the ServiceAccount, of at most 63 characters. `default` is the account of the pods that name none.
     */
    name: string;
  };
  /**
   * Something that every cluster has, found by the operator. KubeAPIServer: the API server's addresses. ClusterDNS: the pods of the cluster's DNS. Nodes: the addresses of all nodes. IngressControllers and Monitoring: what the operator is configured with under these names. World: every address but the cluster's own and link-local ones (cloud metadata). Any: everyone, without limit.
   */
  entity?: Entity;
  /**
   * Hosts by their DNS names, in egress only. NetworkPolicy knows no names: the cluster's network engine carries them, which the operator has to know (`engine` of its configuration). On another engine the peer allows nothing, and the status says so. The DNS queries for these names are allowed as well.
   */
  fqdn?: {
    /**
     * Names in lower case, without a dot at the end: `api.example.com`. `*.` at the beginning stands for exactly one label, and `**.` for one or more: `*.example.com` means `a.example.com`, `**.example.com` also `b.a.example.com`, and neither `example.com`.
     *
     * Items: A DNS name of at least two labels, which may begin with `*.` or `**.`.
     */
    names: string[];
  };
}
/**
 * Selects objects by their labels; `{}` selects all of them.
 */
export interface LabelSelector {
  /**
   * Labels that must all be there with exactly these values.
   */
  matchLabels?: {
    /**
     * The value that the label must have.
     */
    [k: string]: string;
  };
  /**
   * Requirements on labels that must all hold, together with `matchLabels`.
   *
   * Items: One requirement on one label.
   */
  matchExpressions?: LabelSelectorRequirement[];
}
/**
 * One requirement on one label.
 */
export interface LabelSelectorRequirement {
  /**
   * The label's key.
   */
  key: string;
  /**
   * In and NotIn compare the label's value with `values` (NotIn holds also where the label is absent); Exists and DoesNotExist look at the key only.
   */
  operator: SelectorOperator;
  /**
   * The values for In and NotIn, at least one. Not allowed for Exists and DoesNotExist.
   *
   * Items: A label value.
   */
  values?: string[];
}
/**
 * Addresses outside the cluster, IPv4 or IPv6. Pods are not reliably matched by their addresses: use selectors for them.
 */
export interface IPBlock {
  /**
   * The addresses, as a network and its prefix length, such as `203.0.113.0/24`.
   */
  cidr: string;
  /**
   * Smaller ranges inside `cidr` that are not meant, such as `203.0.113.128/25`.
   *
   * Items: A range inside `cidr` and smaller than it.
   */
  except?: string[];
}
/**
 * The pods behind a Service: those that its selector selects or, for a Service without selector, the addresses of its EndpointSlices. In `to` of a rule without `ports`, the ports that the Service leads to are allowed, and no others.
 */
export interface ServiceReference {
  /**
   * The namespace of the Service.
   */
  namespace: string;
  /**
   * The name of the Service.
   */
  name: string;
}
/**
 * One port, or a range of ports, of one protocol.
 */
export interface Port {
  /**
   * The protocol of the port.
   */
  protocol: Protocol;
  /**
   * A number from 1 to 65535 (not in quotes), or the name of a container port of the pods that are connected to. Absent: every port of the protocol.
   */
  port?: number | string;
  /**
   * The last port of a range that begins with `port`, both included.
   */
  endPort?: number;
}
/**
 * An aspect of the profile's state.
 */
export interface Condition {
  /**
   * The name of the aspect, such as Ready.
   */
  type: string;
  /**
   * True, False or Unknown.
   */
  status: ConditionStatus;
  /**
   * The `metadata.generation` that the condition is about.
   */
  observedGeneration?: number;
  /**
   * The time of the last change of `status`.
   */
  lastTransitionTime: string;
  /**
   * The reason, as one word for programs.
   */
  reason: string;
  /**
   * The reason, as a sentence for people.
   */
  message: string;
}
/**
 * Counts of the selected namespaces by their state.
 */
export interface NamespaceCounts {
  /**
   * Namespaces that the profile selects.
   */
  matched: number;
  /**
   * Selected namespaces in which all policies of the profile are in place.
   */
  enforced: number;
  /**
   * Selected namespaces that wait in the queue, or for an object that a rule needs.
   */
  pending: number;
  /**
   * Selected namespaces whose policies could not be written. See `failures`.
   */
  failed: number;
  /**
   * Enforced and matched namespaces, such as `12/12`.
   */
  summary: string;
}
/**
 * Counts of the profile's NetworkPolicies in all namespaces.
 */
export interface PolicyCounts {
  /**
   * NetworkPolicies that should exist.
   */
  desired: number;
  /**
   * NetworkPolicies that exist, and match the desired ones.
   */
  applied: number;
}
/**
 * The failure of one namespace.
 */
export interface Failure {
  /**
   * The name of the namespace.
   */
  namespace: string;
  /**
   * The reason, as one word for programs.
   */
  reason: string;
  /**
   * The failure, and what to do about it.
   */
  message: string;
}
/**
 * Existing policies that `tenantPolicies` would refuse. Absent if it is Any.
 */
export interface AdmissionFindings {
  /**
   * The number of foreign NetworkPolicies that allow more than `tenantPolicies` would admit now.
   */
  wideningPolicies: number;
  /**
   * These policies, ordered by namespace; at most the first 50.
   *
   * Items: A foreign NetworkPolicy that widens the profile.
   */
  policies?: WideningPolicy[];
}
/**
 * A foreign NetworkPolicy that widens the profile.
 */
export interface WideningPolicy {
  /**
   * Its namespace.
   */
  namespace: string;
  /**
   * Its name.
   */
  name: string;
  /**
   * The access that `tenantPolicies` would not admit.
   */
  allows: string;
}
/**
 * Objects that exist and that `workloads` would not admit now. They are counted some minutes after one another, and never changed. Absent until they were counted.
 */
export interface WorkloadFindings {
  /**
   * The groups of `workloads`, ordered by name.
   *
   * Items: The objects that a group would not admit now.
   */
  groups: GroupFindings[];
}
/**
 * The objects that a group would not admit now.
 */
export interface GroupFindings {
  /**
   * The name of the group, such as images.
   */
  name: string;
  /**
   * The number of the objects.
   */
  violating: number;
  /**
   * Some of these objects; at most 10, ordered by namespace, kind and name.
   *
   * Items: An object that breaks a limit.
   */
  examples?: ViolatingObject[];
}
/**
 * An object that breaks a limit.
 */
export interface ViolatingObject {
  /**
   * Its namespace.
   */
  namespace: string;
  /**
   * Its kind.
   */
  kind: string;
  /**
   * Its name.
   */
  name: string;
  /**
   * The limit that it breaks, and how.
   */
  message: string;
}
/**
 * The Pod Security levels of the selected namespaces.
 */
export interface PodSecurityStatus {
  /**
   * Selected namespaces in which every level is in force.
   */
  inForce: number;
  /**
   * Selected namespaces in which a level is not in force.
   */
  outstanding: number;
  /**
   * These namespaces, ordered by name; at most the first 50.
   *
   * Items: A namespace in which a level is not in force.
   */
  namespaces?: {
    /**
     * The name of the namespace.
     */
    namespace: string;
    /**
     * The reason, as one word for programs.
     */
    reason: string;
    /**
     * The running pods or the owner of the label that prevent the level, and the remedy.
     */
    message: string;
  }[];
}
/**
 * The guard of the profile, and the policies of others that it concerns.
 */
export interface GuardStatus {
  /**
   * The name of the policy that carries the guard. Absent if there is none.
   */
  policy?: string;
  /**
   * Its priority; policies of the cluster with a lower one decide before it.
   */
  priority?: number;
  /**
   * NetworkPolicies of others in the selected namespaces that allow flows which the guard denies or, under Audit, would deny. Policies of other kinds are not counted.
   */
  restrictedPolicies: number;
  /**
   * The first of these policies, ordered by namespace and name; at most 50.
   *
   * Items: A policy that allows flows which the guard denies.
   */
  policies?: RestrictedPolicy[];
}
/**
 * A policy that allows flows which the guard denies.
 */
export interface RestrictedPolicy {
  /**
   * The namespace of the policy.
   */
  namespace: string;
  /**
   * The name of the policy.
   */
  name: string;
  /**
   * The peers and ports that the guard does not pass.
   */
  message: string;
}
/**
 * How far the rollout of the profile is. Which revision each namespace has follows from it.
 */
export interface RolloutStatus {
  /**
   * The number of the latest revision of the profile; 0 until one is recorded.
   */
  revision: number;
  /**
   * Recording: the revision is being recorded. Applying: namespaces of the wave get it. Soaking: all have it, and the soak time runs. Failed: the rollout waits for a person. RolledBack: it failed, and the namespaces have what they had before.
   */
  phase: 'Recording' | 'Applying' | 'Soaking' | 'Paused' | 'Complete' | 'Failed' | 'RolledBack';
  /**
   * The name of the wave that is under way, or that failed.
   */
  wave?: string;
  /**
   * The phase with the waves that are complete and all waves, such as `Soaking 1/3`.
   */
  summary: string;
  /**
   * When the phase began, or a namespace of the wave was last let in.
   */
  since: string;
  /**
   * The policies of a namespace that no revision reaches. Nothing: the profile is new, and has no policy there. Unrecorded: the policies from before the first rollout, which stay as they are. Absent if each namespace has a revision.
   */
  base?: 'Nothing' | 'Unrecorded';
  /**
   * The revisions that namespaces have, the latest first. A namespace has the first that reaches it.
   *
   * Items: A revision, and the namespaces that it reaches.
   */
  inForce: RevisionInForce[];
  /**
   * The observations of the `gates` when the wave began, if there are any.
   */
  gates?: GateReadings;
  /**
   * Flows that the latest revision closed, as far as the operator has seen; at most the first 20 namespaces.
   *
   * Items: Flows of a namespace.
   */
  closed?: {
    /**
     * The name of the namespace.
     */
    namespace: string;
    /**
     * The flows, at most the first 5.
     *
     * Items: A flow.
     */
    flows: string[];
  }[];
  /**
   * Why the latest revision failed.
   */
  failure?: RolloutFailure;
}
/**
 * A revision, and the namespaces that it reaches.
 */
export interface RevisionInForce {
  /**
   * The number of the revision.
   */
  revision: number;
  /**
   * Waves that it reaches as a whole. Absent: it reaches every namespace.
   */
  wave?: number;
  /**
   * How far into the next wave it reaches, of 4294967296.
   */
  limit?: number;
}
/**
 * The observations of the `gates` when the wave began, if there are any.
 */
export interface GateReadings {
  /**
   * When that was.
   */
  since: string;
  /**
   * Workloads that were unavailable then, as `NAMESPACE/KIND/NAME`.
   *
   * Items: A workload: `NAMESPACE/KIND/NAME`.
   */
  unavailable?: string[];
  /**
   * The values of the queries then.
   *
   * Items: The value of a query.
   */
  queries?: {
    /**
     * The name of the query.
     */
    name: string;
    /**
     * The value, as Prometheus writes it.
     */
    value: string;
  }[];
}
/**
 * Why the latest revision failed.
 */
export interface RolloutFailure {
  /**
   * The name of the wave.
   */
  wave: string;
  /**
   * The first namespace that failed, by name.
   */
  namespace?: string;
  /**
   * The reason, as one word for programs.
   */
  reason: string;
  /**
   * The failure and its place.
   */
  message: string;
}

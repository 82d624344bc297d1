/** An example of each kind of peer, for the field reference. Tests submit each to the API server. */

export interface PeerExample {
  /** The end of the sentence "Allows ..." for the example in `to`. */
  readonly allows: string;
  readonly peer: Readonly<Record<string, unknown>>;
}

/** By the peer's (first) field. Generating the reference fails if a field of the schema has no example. */
export const PEER_EXAMPLES: Readonly<Record<string, readonly PeerExample[]>> = {
  podSelector: [
    {
      allows: "pods labelled `app: checkout` in the rule's own namespace",
      peer: { podSelector: { matchLabels: { app: 'checkout' } } },
    },
  ],
  namespaceSelector: [
    {
      allows: 'every pod of the namespaces labelled `team: payments`',
      peer: { namespaceSelector: { matchLabels: { team: 'payments' } } },
    },
    {
      allows: 'pods labelled `app: gateway` in the namespace `edge`',
      peer: {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'edge' } },
        podSelector: { matchLabels: { app: 'gateway' } },
      },
    },
  ],
  namespaces: [
    {
      allows: 'every pod of the namespaces `payments` and `ledger`',
      peer: { namespaces: ['payments', 'ledger'] },
    },
    {
      allows: 'pods labelled `app: gateway` in the namespace `edge`, in short',
      peer: { namespaces: ['edge'], podSelector: { matchLabels: { app: 'gateway' } } },
    },
  ],
  sameNamespaceLabels: [
    {
      allows: 'every pod of the namespaces whose label `team` has the same value as the own namespace',
      peer: { sameNamespaceLabels: ['team'] },
    },
    {
      allows: 'pods labelled `app: cache` of the namespaces with the same value of `team`',
      peer: { sameNamespaceLabels: ['team'], podSelector: { matchLabels: { app: 'cache' } } },
    },
  ],
  ipBlock: [
    {
      allows: "a partner's network without one part of it",
      peer: { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } },
    },
    { allows: 'an IPv6 network', peer: { ipBlock: { cidr: '2001:db8::/32' } } },
  ],
  service: [
    {
      allows: 'the pods behind the Service `ledger` of the namespace `payments`',
      peer: { service: { namespace: 'payments', name: 'ledger' } },
    },
  ],
  serviceAccount: [
    {
      allows: 'the pods of the namespace `payments` that run as the ServiceAccount `ledger`',
      peer: { serviceAccount: { namespace: 'payments', name: 'ledger' } },
    },
  ],
  entity: [
    { allows: "addresses outside the cluster, without the cloud's metadata", peer: { entity: 'World' } },
  ],
  fqdn: [
    {
      allows: 'a payment provider, and the hosts of a supplier, on a network engine that knows names',
      peer: { fqdn: { names: ['api.payments.example', '*.supplier.example'] } },
    },
  ],
};

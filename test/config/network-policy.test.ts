/** The operator's own NetworkPolicies, judged by the evaluator. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Endpoint, Namespace, Pod } from '../../src/analysis/cluster.ts';
import { compileView } from '../../src/analysis/evaluator.ts';
import type { NetworkPolicy, Protocol } from '../../src/api/network-policy.ts';
import { isolates } from '../../src/policy/semantics/normalize.ts';

const read = (file: string) =>
  parseAllDocuments(readFileSync(join(import.meta.dirname, '../../config/network-policy', file), 'utf8')).map(
    (each) => each.toJS() as NetworkPolicy,
  );
const policies = read('network_policies.yaml');

const pod = (namespace: string, ip: string, labels = {}): Pod => ({ namespace, name: ip, labels, ips: [ip] });
const operator = pod('segmentation-system', '10.1.0.1', {
  'app.kubernetes.io/name': 'segmentation-operator',
  'app.kubernetes.io/component': 'controller',
  'pod-template-hash': 'x',
});
const prometheus = pod('monitoring', '10.1.0.2');
const stranger = pod('shop', '10.1.0.3');
const dns = pod('kube-system', '10.1.0.4', { 'k8s-app': 'kube-dns' });
const namespaces: readonly Namespace[] = [
  { name: 'segmentation-system', labels: {} },
  { name: 'monitoring', labels: { metrics: 'enabled' } },
  { name: 'shop', labels: {} },
  { name: 'kube-system', labels: {} },
];
const evaluator = compileView({ namespaces, policies });
const withPrometheus = compileView({
  namespaces,
  policies: [...policies, ...read('prometheus/network_policy.yaml')],
});

const of = (each: Pod): Endpoint => ({ kind: 'pod', pod: each });
const API_SERVER: Endpoint = { kind: 'external', ip: '192.0.2.1' };

const FLOWS: readonly (readonly [
  what: string,
  from: Endpoint,
  to: Endpoint,
  port: number,
  protocol: Protocol,
  allowed: boolean,
])[] = [
  ['the operator to the API server', of(operator), API_SERVER, 6443, 'TCP', true],
  ['the operator to the API server of a managed cluster', of(operator), API_SERVER, 443, 'TCP', true],
  ['the operator to DNS', of(operator), of(dns), 53, 'UDP', true],
  ['the operator to DNS, for long answers', of(operator), of(dns), 53, 'TCP', true],
  ['the operator to any other port', of(operator), of(stranger), 8080, 'TCP', false],
  ['the operator to the kubelet', of(operator), API_SERVER, 10_250, 'TCP', false],
  ['scrapes from a namespace that is labelled', of(prometheus), of(operator), 8080, 'TCP', true],
  ['scrapes from any other', of(stranger), of(operator), 8080, 'TCP', false],
  ['anything else from a labelled namespace', of(prometheus), of(operator), 8081, 'TCP', false],
  ["strangers' traffic among themselves", of(stranger), of(dns), 8080, 'TCP', true],
];

describe("the operator's own NetworkPolicies", () => {
  it('allow the operator to Prometheus with config/network-policy/prometheus alone, and no more', () => {
    const verdict = (view: typeof evaluator, port: number) =>
      view.verdict({ from: of(operator), to: of(prometheus), port, protocol: 'TCP' }).allowed;
    assert.deepEqual(
      [evaluator, withPrometheus].map((view) => verdict(view, 9090)),
      [false, true],
    );
    assert.equal(verdict(withPrometheus, 9091), false);
  });

  for (const [what, from, to, port, protocol, allowed] of FLOWS) {
    it(`${allowed ? 'allow' : 'deny'} ${what}`, () => {
      assert.equal(evaluator.verdict({ from, to, port, protocol }).allowed, allowed);
    });
  }

  it('isolate one direction each, as some engines enforce both in one object wrongly', () => {
    assert.deepEqual(policies.map(({ spec }) => isolates(spec).join()).sort(), ['Egress', 'Ingress']);
  });
});

import assert from 'node:assert/strict';
import { LABEL_PROFILE, LABEL_ROLE, LABEL_RULE } from '../../../src/api/names.ts';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { planWithoutMesh } from '../../../src/controller/mesh/without-mesh.ts';
import type { DesiredOverlay } from '../../../src/controller/mesh-support.ts';
import { DENY_TUNNEL } from '../../../src/engines/istio/ambient/objects.ts';
import { TUNNEL_RULE } from '../../../src/policy/tunnel-rule.ts';
import { profile } from '../../policy/fixture.ts';

const named = (name: string, owner: string, labels: object = {}) => ({
  metadata: { name, namespace: 'shop', labels: { [LABEL_PROFILE]: owner, ...labels } },
});
const object = (
  name: string,
  owner: string,
  spec: object,
  labels?: object,
): KubeObject & { spec: object } => ({
  ...named(name, owner, labels),
  spec,
});
const FROM_WEB = { from: [{ source: { namespaces: ['web'] } }], to: [{ operation: { ports: ['80'] } }] };
const deny = (owner: string) => object(`${owner}.default-deny`, owner, {}, { [LABEL_ROLE]: 'default-deny' });
const allow = (owner: string) => object(`${owner}.ingress`, owner, { action: 'ALLOW', rules: [FROM_WEB] });
const tunnelDeny = (owner: string) => object(`${owner}.default-deny`, owner, DENY_TUNNEL);
const permit = (owner: string) =>
  object(`${owner}.tunnel`, owner, { action: 'ALLOW', rules: [FROM_WEB] }, { [LABEL_RULE]: TUNNEL_RULE });

const asking = (name: string) => {
  const asked = profile({ mesh: { authorization: 'Enforce', mtls: 'Disabled' } });
  return { ...asked, metadata: { ...asked.metadata, name } };
};
const isolating = (owner: string): NetworkPolicy[] =>
  [
    {
      ...named(`${owner}.default-deny`, owner, { [LABEL_ROLE]: 'default-deny' }),
      spec: { podSelector: {}, policyTypes: ['Ingress'] },
    },
    {
      ...named(`${owner}.ingress`, owner),
      spec: {
        podSelector: {},
        policyTypes: ['Ingress'],
        ingress: [
          {
            from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'web' } } }],
            ports: [{ protocol: 'TCP', port: 80 }],
          },
        ],
      },
    },
  ] as NetworkPolicy[];

function plans(objects: readonly KubeObject[], desired: Partial<DesiredOverlay>) {
  const ownerOf = ({ metadata }: KubeObject) => metadata.labels?.[LABEL_PROFILE];
  return planWithoutMesh(
    { objects, ownerOf },
    { objects: [], ownerOf },
    { policies: [], profiles: [], kept: new Set(), excepting: new Set(), ...desired },
    () => false,
  );
}

/** The writes as `VERB NAME`, in their order; undefined if everything stays. */
function writes(objects: readonly KubeObject[], desired: Partial<DesiredOverlay>): string[] | undefined {
  const { access } = plans(objects, desired) ?? {};
  return (
    access &&
    [...access.widen, ...access.narrow].map(
      (step) => `${step.verb} ${(step.verb === 'create' ? step.object : step.before).metadata.name}`,
    )
  );
}

describe('overlay of a namespace without a mesh', () => {
  const stays = { policies: isolating('p'), profiles: [asking('p')] };

  it('stays as it is while its profiles stay', () => {
    assert.equal(writes([deny('p'), allow('p')], stays), undefined);
    assert.equal(writes([deny('p'), deny('q')], { ...stays, kept: new Set(['q']) }), undefined);
  });

  it('begins for no profile', () => {
    assert.equal(writes([], stays), undefined);
    assert.deepEqual(writes([allow('p'), deny('q')], stays), ['delete q.default-deny', 'delete p.ingress']);
  });

  it('loses the objects of a profile that leaves, once others tell its peers by ports alone', () => {
    assert.deepEqual(writes([deny('p'), allow('p'), deny('q'), allow('q')], stays), [
      'update p.ingress',
      'update p.default-deny',
      'delete q.default-deny',
      'update p.ingress',
      'delete q.ingress',
    ]);
  });

  it('loses the cover of a plan that was half carried out', () => {
    const cover = object('p.transition.mesh', 'p', { rules: [{}] }, { [LABEL_ROLE]: 'transition' });
    const steps = writes([deny('p'), allow('p'), cover], stays);
    assert.deepEqual(steps, [
      'update p.ingress',
      'update p.default-deny',
      'update p.ingress',
      'delete p.transition.mesh',
    ]);
  });

  const other = object('q.other', 'q', { action: 'ALLOW', rules: [{}] });

  it('ends under a bridge if nobody asks for it, as foreign policies of the mesh are not known', () => {
    const steps = writes([deny('q'), allow('q'), other], {});
    assert.deepEqual(steps?.slice(1, -1), ['delete q.default-deny', 'delete q.ingress', 'delete q.other']);
    assert.match(steps[0] ?? '', /^create q\.transition\./);
    assert.match(steps.at(-1) ?? '', /^delete q\.transition\./);
  });

  it('loses the bridge of a plan that was half carried out', () => {
    const [step] = plans([deny('q'), allow('q'), other], {})?.access.widen ?? [];
    assert.ok(step?.verb === 'create');
    const steps = writes([deny('p'), allow('p'), step.object], stays);
    assert.equal(steps?.at(-1), `delete ${step.object.metadata.name}`);
  });

  it('loses the permits of a tunnel of a profile that leaves, and no others', () => {
    const objects = [tunnelDeny('p'), permit('p'), tunnelDeny('q'), permit('q')];
    assert.deepEqual(writes(objects, stays), ['delete q.default-deny', 'delete q.tunnel']);
  });

  it('ends with a tunnel that only the leaving profile has asked for, also for the permits of others', () => {
    const steps = writes([permit('p'), tunnelDeny('q'), permit('q')], {
      policies: isolating('p'),
      profiles: [],
    });
    assert.deepEqual(steps?.slice(1, -1), ['delete p.tunnel', 'delete q.default-deny', 'delete q.tunnel']);
    assert.match(steps.at(-1) ?? '', /^delete .\.transition\./);
  });
});

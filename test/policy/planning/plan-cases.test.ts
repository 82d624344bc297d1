import assert from 'node:assert/strict';
import {
  alternativeName,
  API_VERSION,
  EXCEPTION_KIND,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  MANAGER,
  KIND,
} from '../../../src/api/names.ts';
import type { LabelSelector } from '../../../src/api/meta.ts';
import type { NetworkPolicy, PolicyType } from '../../../src/api/network-policy.ts';
import { withRules } from '../../../src/policy/semantics/normalize.ts';
import { ownerByLabels } from '../fixture.ts';
import { plan, type Step } from '../../../src/policy/planning/plan.ts';
import {
  IsolationUnknownError,
  PlanTooComplexError,
  type UnknownIsolation,
} from '../../../src/policy/planning/transition.ts';

const WEB: LabelSelector = { matchLabels: { app: 'web' } };
const API: LabelSelector = { matchLabels: { app: 'api' } };

interface Given {
  readonly selector?: LabelSelector;
  readonly types?: readonly PolicyType[];
  /** Addresses that a rule each allows; 'everyone' for a rule without peers. */
  readonly allows?: readonly string[];
  readonly role?: string;
}

function made(
  name: string,
  { selector = {}, types = ['Ingress'], allows = [] }: Given,
  labels?: Record<string, string>,
): NetworkPolicy {
  const spec = { podSelector: selector, policyTypes: types };
  const rules = allows.map((each) =>
    each === 'everyone' ? {} : { peers: [{ ipBlock: { cidr: `${each}/32` } }] },
  );
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: 'shop', ...(labels && { labels }) },
    spec: rules.length > 0 ? withRules(spec, types[0] ?? 'Ingress', rules) : spec,
  };
}

const ours = (name: string, given: Given) =>
  made(name, given, {
    [LABEL_MANAGED_BY]: MANAGER,
    [LABEL_PROFILE]: 'p',
    [LABEL_ROLE]: given.role ?? 'ingress',
  });
const deny = (types: readonly PolicyType[] = ['Ingress']) =>
  ours('p.default-deny', { types, role: 'default-deny' });

/** `create p.ingress`; a transition policy by its role, as its name is a digest. */
function outline(steps: readonly Step[]): string[] {
  return steps.map((step) => {
    const name = step.verb === 'delete' ? step.name : step.policy.metadata.name;
    return `${step.verb} ${name.replace(/transition\..*/, 'transition')}${step.reason === 'transition' && step.verb === 'update' ? ' to the union' : ''}`;
  });
}

const CASES: readonly {
  readonly name: string;
  readonly before: readonly NetworkPolicy[];
  readonly desired: readonly NetworkPolicy[];
  readonly hasPods?: boolean;
  readonly steps: readonly string[];
}[] = [
  { name: 'writes nothing if nothing differs', before: [deny()], desired: [deny()], steps: [] },
  {
    name: 'first enforcement through one policy with rules: creates it before the default-deny',
    before: [],
    desired: [deny(), ours('p.ingress', { allows: ['192.0.2.1'] })],
    steps: ['create p.ingress', 'create p.default-deny'],
  },
  {
    name: 'first enforcement through several policies with rules: creates them under a cover',
    before: [],
    desired: [
      deny(),
      ours('p.ingress', { allows: ['192.0.2.1'] }),
      ours('p.ingress.r', { selector: WEB, allows: ['192.0.2.2'] }),
    ],
    steps: [
      'create p.transition',
      'create p.ingress',
      'create p.ingress.r',
      'create p.default-deny',
      'delete p.transition',
    ],
  },
  {
    name: 'first enforcement in a namespace without pods: creates the default-deny first',
    before: [],
    desired: [
      deny(),
      ours('p.ingress', { allows: ['192.0.2.1'] }),
      ours('p.ingress.r', { selector: WEB, allows: ['192.0.2.2'] }),
    ],
    hasPods: false,
    steps: ['create p.default-deny', 'create p.ingress', 'create p.ingress.r'],
  },
  {
    name: 'first enforcement beside a foreign policy that isolates every pod: creates no cover, which would open',
    before: [made('theirs', { allows: ['198.51.100.1'] })],
    desired: [
      deny(),
      ours('p.ingress', { allows: ['192.0.2.1'] }),
      ours('p.ingress.r', { selector: WEB, allows: ['192.0.2.2'] }),
    ],
    steps: ['create p.ingress', 'create p.ingress.r', 'create p.default-deny'],
  },
  {
    name: 'removal of several policies with rules: deletes the default-deny first, under a cover',
    before: [
      deny(),
      ours('p.ingress', { allows: ['192.0.2.1'] }),
      ours('p.ingress.r', { selector: WEB, allows: ['192.0.2.2'] }),
    ],
    desired: [],
    steps: [
      'create p.transition',
      'delete p.default-deny',
      'delete p.ingress',
      'delete p.ingress.r',
      'delete p.transition',
    ],
  },
  {
    name: 'a changed rule of a single policy: one update',
    before: [deny(), ours('p.ingress', { allows: ['192.0.2.1'] })],
    desired: [deny(), ours('p.ingress', { allows: ['192.0.2.2'] })],
    steps: ['update p.ingress'],
  },
  {
    name: 'a flow that moves to another policy: is in both meanwhile',
    before: [
      deny(),
      ours('p.ingress', { allows: ['192.0.2.1'] }),
      ours('p.ingress.r', { selector: WEB, allows: ['192.0.2.2'] }),
    ],
    desired: [
      deny(),
      ours('p.ingress', { allows: ['192.0.2.1', '192.0.2.2'] }),
      ours('p.ingress.r', { selector: WEB, allows: ['192.0.2.3'] }),
    ],
    steps: ['update p.ingress', 'update p.ingress.r to the union', 'update p.ingress.r'],
  },
  {
    name: 'two policies that swap their pod selectors: bridges carry both desired forms',
    before: [
      deny(),
      ours('p.ingress.r', { selector: WEB, allows: ['192.0.2.1'] }),
      ours('p.ingress.s', { selector: API, allows: ['192.0.2.1'] }),
    ],
    desired: [
      deny(),
      ours('p.ingress.r', { selector: API, allows: ['192.0.2.1'] }),
      ours('p.ingress.s', { selector: WEB, allows: ['192.0.2.1'] }),
    ],
    steps: [
      'create p.transition',
      'create p.transition',
      'update p.ingress.r',
      'update p.ingress.s',
      'delete p.transition',
      'delete p.transition',
    ],
  },
  {
    name: 'a direction added to the isolation: creates its allows before its deny',
    before: [deny()],
    desired: [
      deny(['Ingress', 'Egress']),
      ours('p.egress', { types: ['Egress'], allows: ['192.0.2.1'], role: 'egress' }),
    ],
    steps: ['create p.egress', 'update p.default-deny'],
  },
  {
    name: 'a direction removed from the isolation: deletes its deny before its allows',
    before: [
      deny(['Ingress', 'Egress']),
      ours('p.egress', { types: ['Egress'], allows: ['192.0.2.1'], role: 'egress' }),
    ],
    desired: [deny()],
    steps: ['update p.default-deny', 'delete p.egress'],
  },
  {
    name: 'policies whose names are shortened now: creates each under its new name before it deletes the old one',
    before: [
      ours('p.default-deny-old', { types: ['Ingress'], role: 'default-deny' }),
      ours('p.ingress-old', { allows: ['192.0.2.1'] }),
      ours('p.ingress.r-old', { selector: WEB, allows: ['192.0.2.2'] }),
    ],
    desired: [
      deny(),
      ours('p.ingress', { allows: ['192.0.2.1'] }),
      ours('p.ingress.r', { selector: WEB, allows: ['192.0.2.2'] }),
    ],
    steps: [
      'create p.ingress',
      'create p.ingress.r',
      'create p.default-deny',
      'delete p.default-deny-old',
      'delete p.ingress-old',
      'delete p.ingress.r-old',
    ],
  },
  {
    name: 'transition policies that a crash left: deletes a bridge before the cover of its pods',
    before: [
      ours('p.transition.1', { role: 'transition', allows: ['everyone'] }),
      ours('p.transition.2', { role: 'transition', selector: WEB, allows: ['192.0.2.1'] }),
    ],
    desired: [],
    steps: ['delete p.transition', 'delete p.transition'],
  },
];

describe('plan', () => {
  for (const { name, before, desired, hasPods = true, steps } of CASES) {
    it(name, () =>
      assert.deepEqual(outline(plan(before, desired, { hasPods, ownerOf: ownerByLabels }).steps), steps),
    );
  }

  it('covers by policies that the profile owns, and no exception, which may go in the middle', () => {
    const owned = (policy: NetworkPolicy, kind: string): NetworkPolicy => {
      const owner = { apiVersion: API_VERSION, kind, name: 'x', uid: kind };
      return { ...policy, metadata: { ...policy.metadata, ownerReferences: [owner] } };
    };
    const exceptions = ['p.exception.1', 'p.exception.2'].map((name) =>
      owned(ours(name, { allows: ['192.0.2.1'] }), EXCEPTION_KIND),
    );
    const ownersOf = (desired: NetworkPolicy[]) =>
      plan([], desired, { hasPods: true, ownerOf: ownerByLabels }).steps.flatMap((step) =>
        step.reason === 'transition' && step.verb === 'create'
          ? [step.policy.metadata.ownerReferences?.map(({ kind }) => kind)]
          : [],
      );
    const own = owned(ours('p.ingress', { allows: ['192.0.2.2'] }), KIND);
    assert.deepEqual(ownersOf([...exceptions, own]), [[KIND]]);
    assert.deepEqual(ownersOf(exceptions), [undefined]);
  });

  for (const unknown of [undefined, {}])
    it(`names the profile in its ${unknown === undefined ? 'covers' : 'bridges'} whose policies somebody has removed the marks of`, () => {
      const before = [
        made('p.ingress', { allows: ['192.0.2.1'] }),
        made('p.ingress.web', { selector: WEB, allows: ['192.0.2.2'] }),
      ];
      const { steps } = plan(before, [], { hasPods: true, ownerOf: () => 'p', unknown });
      const created = steps.flatMap((step) => (step.verb === 'create' ? [step.policy.metadata] : []));
      assert.ok(created.length > 0);
      for (const { name, labels } of created) {
        assert.match(name, /^p\.transition\./);
        assert.deepEqual([labels?.[LABEL_MANAGED_BY], labels?.[LABEL_PROFILE]], [MANAGER, 'p']);
      }
    });

  it('deletes a left-over bridge before a left-over cover, whatever their names', () => {
    for (const [cover, form] of [
      ['p.transition.1', 'p.transition.2'],
      ['p.transition.2', 'p.transition.1'],
    ] as const) {
      const before = [
        ours(cover, { role: 'transition', allows: ['everyone'] }),
        ours(form, { role: 'transition', selector: WEB, allows: ['192.0.2.1'] }),
      ];
      const { steps } = plan(before, [], { hasPods: true, ownerOf: ownerByLabels });
      assert.deepEqual(
        steps.map((step) => step.verb === 'delete' && step.name),
        [form, cover],
      );
    }
  });

  it('covers exactly the pods that no foreign policy isolates', () => {
    const before = [made('theirs', { selector: { matchLabels: { app: 'web', tier: 'front' } } })];
    const desired = [
      deny(),
      ours('p.ingress', { allows: ['192.0.2.1'] }),
      ours('p.ingress.r', { selector: API, allows: ['192.0.2.2'] }),
    ];
    const { steps } = plan(before, desired, { hasPods: true, ownerOf: ownerByLabels });
    const covers = steps.flatMap((step) =>
      step.verb === 'create' && step.reason === 'transition' ? [step.policy.spec.podSelector] : [],
    );
    assert.deepEqual(covers, [
      { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] },
      { matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['front'] }] },
    ]);
  });

  it('deletes a left-over bridge without rules before policies with rules, which it would cut', () => {
    const bridge = ours('p.transition.1', { role: 'transition' });
    const rules = ours('p.ingress', { allows: ['192.0.2.1'] });
    const { steps } = plan([bridge, rules], [], { hasPods: true, ownerOf: ownerByLabels });
    assert.deepEqual(outline(steps), ['delete p.transition', 'delete p.ingress']);
  });

  it('bridges the pods that several policies select where unknown policies may isolate them, and covers none', () => {
    const rules = [
      ours('p.ingress', { allows: ['192.0.2.1'] }),
      ours('p.ingress.web', { selector: WEB, allows: ['192.0.2.2'] }),
      ours('p.ingress.api', { selector: API, allows: ['192.0.2.3'] }),
    ];
    const context = { hasPods: true, ownerOf: ownerByLabels, unknown: {} };
    const { steps } = plan([], [deny(), ...rules], context);
    assert.deepEqual(outline(steps), [
      'create p.transition',
      'create p.transition',
      'create p.ingress',
      'create p.ingress.web',
      'create p.ingress.api',
      'create p.default-deny',
      'delete p.transition',
      'delete p.transition',
    ]);
    const bridges = steps.flatMap((step) => (step.verb === 'create' ? [step.policy.spec] : [])).slice(0, 2);
    assert.deepEqual(
      bridges.map(({ podSelector, ingress }) => [podSelector, ingress?.length]),
      [
        [WEB, 2],
        [API, 2],
      ],
    );
    const theirs = made('theirs', { allows: ['198.51.100.1'] });
    assert.deepEqual(outline(plan([theirs], rules, context).steps), [
      'create p.ingress',
      'create p.ingress.web',
      'create p.ingress.api',
    ]);
  });

  it('throws an error with the reason where it would have to cover pods that unknown policies may isolate', () => {
    const companions = { before: [], after: [ours('engine p', { allows: ['192.0.2.1'] })], foreign: [] };
    const desired = [deny(), ours('p.ingress', { allows: ['192.0.2.1'] })];
    const forCovers = { message: 'not readable', needsPerson: true };
    const planned = (unknown: UnknownIsolation, observed: readonly NetworkPolicy[] = []) =>
      plan(observed, desired, { hasPods: true, ownerOf: ownerByLabels, companions, unknown });
    assert.throws(() => planned({ forCovers }), IsolationUnknownError);
    assert.deepEqual(outline(planned({}).steps).at(0), 'create p.transition');
    assert.deepEqual(outline(planned({ forCovers }, [deny()]).steps), ['create p.ingress']);
  });

  it('throws an error with a remedy if its rules select pods by too many label combinations to bridge them', () => {
    const rules = Array.from({ length: 10 }, (_, index) =>
      ours(`p.ingress.r${index}`, {
        selector: { matchLabels: { [`key${index}`]: 'x' } },
        allows: ['192.0.2.1'],
      }),
    );
    assert.throws(
      () => plan([], [deny(), ...rules], { hasPods: true, ownerOf: ownerByLabels, unknown: {} }),
      (error: unknown) => error instanceof PlanTooComplexError && /label keys/.test(error.message),
    );
  });

  it('throws an error with a remedy if foreign policies isolate by too many label combinations', () => {
    const before = Array.from({ length: 6 }, (_, index) =>
      made(`theirs-${index}`, { selector: { matchLabels: { [`a${index}`]: 'x', [`b${index}`]: 'x' } } }),
    );
    const desired = [
      deny(),
      ours('p.ingress', { allows: ['192.0.2.1'] }),
      ours('p.ingress.r', { selector: API, allows: ['192.0.2.2'] }),
    ];
    assert.throws(
      () => plan(before, desired, { hasPods: true, ownerOf: ownerByLabels }),
      (error) =>
        error instanceof PlanTooComplexError &&
        /give one of them an empty podSelector, or remove it/.test(error.message),
    );
  });

  it('uses one alternative name while a foreign policy has the name', () => {
    const theirs = made('p.default-deny', { selector: WEB });
    const { steps, conflicts } = plan([theirs], [deny()], { hasPods: true, ownerOf: ownerByLabels });
    assert.deepEqual(conflicts, ['p.default-deny']);
    assert.deepEqual(outline(steps), [`create ${alternativeName('p', 'p.default-deny')}`]);
    const created = steps.flatMap((step) => (step.verb === 'create' ? [step.policy] : []));
    assert.deepEqual(
      plan([theirs, ...created], [deny()], { hasPods: true, ownerOf: ownerByLabels }).steps,
      [],
    );
    // Back under its own name once that is free.
    assert.deepEqual(outline(plan(created, [deny()], { hasPods: true, ownerOf: ownerByLabels }).steps), [
      'create p.default-deny',
      `delete ${created[0]?.metadata.name}`,
    ]);
  });
});

describe('a plan opens', () => {
  const opens = (before: readonly NetworkPolicy[], after: readonly NetworkPolicy[]) =>
    plan(before, after, { hasPods: true, ownerOf: ownerByLabels }).opens;
  const web = ours('p.ingress.web', { selector: WEB, allows: ['192.0.2.1'] });

  it('a direction whose default-deny is deleted, and no other one', () => {
    assert.deepEqual(opens([deny(['Ingress', 'Egress'])], [deny(['Egress'])]), ['Ingress']);
  });

  it('a direction that an interrupted plan left half open', () => {
    assert.deepEqual(opens([web], []), ['Ingress']);
  });

  it('no direction with a default-deny that stays', () => {
    assert.deepEqual(opens([deny(), web], [deny()]), []);
  });

  it('a direction that a foreign policy isolates too, as somebody may delete that one before the plan is carried out', () => {
    const theirs = made('theirs', {});
    assert.deepEqual(opens([theirs, deny()], []), ['Ingress']);
    assert.deepEqual(opens([theirs, deny()], [deny()]), []);
    assert.deepEqual(opens([theirs], []), []);
  });

  it('a direction that the cover of another profile alone goes on to isolate, as it allows everything', () => {
    const cover = ours('q.transition.1', { role: 'transition', allows: ['everyone'] });
    assert.deepEqual(opens([deny(), cover], [cover]), ['Ingress']);
    assert.deepEqual(opens([deny(), cover], [deny(), cover]), []);
  });

  it('no direction in which the same pods stay isolated', () => {
    const other = ours('p.ingress.web', { selector: WEB, allows: ['192.0.2.2'] });
    assert.deepEqual(opens([web], [other]), []);
  });
});

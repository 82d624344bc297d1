/** Decisions on Pod Security labels, over generated namespaces: their labels, and who manages these. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ManagedFieldsEntry, ObjectMeta, StringMap } from '../../../src/api/meta.ts';
import { POD_SECURITY_MANAGER } from '../../../src/api/names.ts';
import { decide } from '../../../src/policy/pod-security/decision.ts';
import { labelManagers, ownedKeys } from '../../../src/policy/pod-security/label-managers.ts';
import {
  higher,
  isAtLeast,
  levelKey,
  levelOf,
  type Levels,
  MODES,
  type VersionedLevel,
  versionKey,
} from '../../../src/policy/pod-security/levels.ts';
import { runs } from '../fixture.ts';

const version = fc.constantFrom('latest', 'v1.2', 'v1.9', 'v1.30');
const anyLevel: fc.Arbitrary<VersionedLevel> = fc.record({
  level: fc.constantFrom('privileged', 'baseline', 'restricted'),
  version,
});
const askedLevel: fc.Arbitrary<VersionedLevel> = fc.record({
  level: fc.constantFrom('baseline', 'restricted'),
  version,
});
const asked: fc.Arbitrary<Levels> = fc.record(
  { enforce: askedLevel, audit: askedLevel, warn: askedLevel },
  { requiredKeys: [] },
);

/** A label with its field managers. */
interface Labelled {
  readonly value: string;
  readonly managers: readonly string[];
}
type LabelSet = Readonly<Record<string, Labelled>>;

const managers = fc.subarray([POD_SECURITY_MANAGER, 'gitops', 'kubectl-label']);
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const modeLabels = optional(
  fc.record({
    level: fc.record({ value: fc.constantFrom('privileged', 'baseline', 'restricted', 'bogus'), managers }),
    version: optional(fc.record({ value: version, managers })),
  }),
);
const labelSet: fc.Arbitrary<LabelSet> = fc.tuple(modeLabels, modeLabels, modeLabels).map((all) => {
  const set: Record<string, Labelled> = { team: { value: 'a', managers: ['gitops'] } };
  for (const [index, mode] of MODES.entries()) {
    const labels = all[index];
    if (labels === undefined) continue;
    set[levelKey(mode)] = labels.level;
    if (labels.version !== undefined) set[versionKey(mode)] = labels.version;
  }
  return set;
});

function valuesOf(set: LabelSet): StringMap {
  return Object.fromEntries(Object.entries(set).map(([key, { value }]) => [key, value]));
}

function metadataOf(set: LabelSet): ObjectMeta {
  const names = new Set(Object.values(set).flatMap((label) => label.managers));
  const managedFields: ManagedFieldsEntry[] = Array.from(names, (manager) => {
    const keys = Object.keys(set).filter((key) => set[key]?.managers.includes(manager));
    const labels = Object.fromEntries(keys.map((key) => [`f:${key}`, {}]));
    return { manager, operation: 'Apply', fieldsV1: { 'f:metadata': { 'f:labels': labels } } };
  });
  return { name: 'shop', labels: valuesOf(set), managedFields };
}

/** Carries out a server-side apply as the operator's field manager. */
function applied(set: LabelSet, labels: StringMap): LabelSet {
  const after: Record<string, Labelled> = {};
  for (const [key, { value, managers: owners }] of Object.entries(set)) {
    const others = owners.filter((name) => name !== POD_SECURITY_MANAGER);
    const isOwn = owners.includes(POD_SECURITY_MANAGER);
    if (!isOwn || others.length > 0) after[key] = { value, managers: others };
  }
  for (const [key, value] of Object.entries(labels)) {
    const others = after[key]?.managers ?? [];
    assert.ok(
      others.length === 0 || after[key]?.value === value,
      `conflict with ${others.join()} over ${key}`,
    );
    after[key] = { value, managers: [...others, POD_SECURITY_MANAGER] };
  }
  return after;
}

const isSolelyOwn = (label: Labelled | undefined) =>
  label?.managers.length === 1 && label.managers[0] === POD_SECURITY_MANAGER;

/** A namespace, a demand, and the namespace after the decision was carried out. */
function check(
  predicate: (scene: {
    before: LabelSet;
    levels: Levels;
    mayRaise: boolean;
    after: LabelSet;
    decision: ReturnType<typeof decide>;
  }) => void,
): void {
  fc.assert(
    fc.property(labelSet, asked, fc.boolean(), (before, levels, mayRaise) => {
      const decision = decide(metadataOf(before), levels, mayRaise);
      predicate({ before, levels, mayRaise, decision, after: applied(before, decision.labels) });
    }),
    { numRuns: runs(1000) },
  );
}

describe('decision on Pod Security labels', () => {
  it('never changes or removes a label that somebody else owns, or nobody', () => {
    check(({ before, after }) => {
      for (const [key, label] of Object.entries(before))
        if (!isSolelyOwn(label)) assert.equal(after[key]?.value, label.value, key);
    });
  });

  it('never lowers a level that is not its own', () => {
    check(({ before, after }) => {
      for (const mode of MODES) {
        const old = levelOf(mode, valuesOf(before));
        if (old === undefined || isSolelyOwn(before[levelKey(mode)])) continue;
        const next = levelOf(mode, valuesOf(after));
        // An own version beside a foreign level counts as the version of that level while it stands.
        if (isSolelyOwn(before[versionKey(mode)])) assert.equal(next?.level, old.level);
        else assert.ok(next !== undefined && isAtLeast(next, old), mode);
      }
    });
  });

  it('reaches each level that is asked for, or says what is in the way', () => {
    check(({ levels, decision, after }) => {
      for (const mode of MODES) {
        const level = levels[mode];
        const reached = levelOf(mode, valuesOf(after));
        const isReached = level === undefined || (reached !== undefined && isAtLeast(reached, level));
        assert.ok(isReached || decision.obstacles[mode] !== undefined, mode);
      }
    });
  });

  it('changes nothing when it is made again', () => {
    check(({ levels, mayRaise, decision, after }) => {
      const again = decide(metadataOf(after), levels, mayRaise);
      assert.deepEqual(again.labels, decision.labels);
      assert.equal(again.needsWrite, false);
    });
  });

  it('needs a write exactly if the own labels change', () => {
    check(({ before, decision }) => {
      const owned = Object.entries(before).filter(([, label]) =>
        label.managers.includes(POD_SECURITY_MANAGER),
      );
      const own = Object.fromEntries(owned.map(([key, { value }]) => [key, value]));
      let isSame = true;
      try {
        assert.deepEqual(own, decision.labels);
      } catch {
        isSame = false;
      }
      assert.equal(decision.needsWrite, !isSame);
    });
  });

  it('does not raise enforce while pods violate it', () => {
    check(({ before, mayRaise, after }) => {
      if (mayRaise) return;
      const [old, next] = [levelOf('enforce', valuesOf(before)), levelOf('enforce', valuesOf(after))];
      if (next === undefined || isSolelyOwn(before[versionKey('enforce')])) return;
      assert.ok(old !== undefined && isAtLeast(old, next));
    });
  });

  it('says that it lowers if an own level is removed or lowered', () => {
    check(({ before, decision, after }) => {
      for (const mode of MODES) {
        const keys = [levelKey(mode), versionKey(mode)];
        if (!keys.every((key) => isSolelyOwn(before[key]))) continue;
        const [old, next] = [levelOf(mode, valuesOf(before)), levelOf(mode, valuesOf(after))];
        if (old !== undefined && (next === undefined || !isAtLeast(next, old)))
          assert.ok(decision.lowers, mode);
      }
    });
  });

  it('leaves no own label where nothing is asked for', () => {
    fc.assert(
      fc.property(labelSet, (before) => {
        const after = applied(before, decide(metadataOf(before), {}, true).labels);
        assert.equal(ownedKeys(metadataOf(after)), undefined);
      }),
    );
  });
});

describe('order of Pod Security levels', () => {
  it('is total and transitive, and knows v1.9 as older than v1.30', () => {
    fc.assert(
      fc.property(anyLevel, anyLevel, anyLevel, (a, b, c) => {
        assert.ok(isAtLeast(a, a));
        assert.ok(isAtLeast(a, b) || isAtLeast(b, a));
        if (isAtLeast(a, b) && isAtLeast(b, c)) assert.ok(isAtLeast(a, c));
        assert.ok(isAtLeast(higher(a, b), a) && isAtLeast(higher(a, b), b));
      }),
    );
    const of = (text: string) => ({ level: 'baseline', version: text }) as const;
    assert.equal(isAtLeast(of('v1.9'), of('v1.30')), false);
    assert.equal(isAtLeast(of('latest'), of('v1.30')), true);
  });
});

describe('managers of Pod Security labels', () => {
  it('are those whose managed fields have the label, and none for fields of another form', () => {
    const metadata = metadataOf({
      [levelKey('warn')]: { value: 'baseline', managers: ['gitops', POD_SECURITY_MANAGER] },
    });
    assert.deepEqual(labelManagers(metadata).get(levelKey('warn')), ['gitops', POD_SECURITY_MANAGER]);
    assert.deepEqual(ownedKeys(metadata), [levelKey('warn')]);
    const odd = {
      managedFields: [{ manager: POD_SECURITY_MANAGER, fieldsV1: { 'f:metadata': { 'f:labels': [] } } }],
    };
    assert.equal(ownedKeys(odd), undefined);
    assert.equal(ownedKeys({}), undefined);
  });
});

/**
 * Each network engine and mesh whose own kinds the operator writes, and each change of it beneath a running operator. At no
 * step does the operator change a NetworkPolicy, touch an object of somebody else, or write one that allows more than is meant.
 */
import assert from 'node:assert/strict';
import { goIsThere, skippedWithoutGo } from '../../../env/tooling/go-tool.ts';
import { Operators } from '../../../support/operator.ts';
import type { Schema } from '../definition.ts';
import type { Scene, SceneEntry, SceneKind } from './scene.ts';
import { type Objects, revisionsOf, type Specs, specsOf, Stage } from './stage.ts';

/** Describes the changes of one engine or mesh. */
export function describeChanges(entry: SceneEntry): void {
  const isSkipped = entry.needsGo && !goIsThere;
  const suffix = entry.needsGo ? skippedWithoutGo : '';
  (isSkipped ? describe.skip : describe)(`operator while ${entry.name} changes${suffix}`, function () {
    this.timeout('5m');
    let isBroken = false;
    const operators = new Operators();
    let scene: Scene;
    let stage: Stage;
    /** The specs of the objects before any change. */
    let usual: Specs;

    before(async () => {
      scene = await entry.scene();
      stage = await Stage.open(scene, operators);
      usual = specsOf(await stage.extras());
    });
    after(() => stage?.close());
    beforeEach(function () {
      // Each test begins with the converged cluster of the one before it.
      if (isBroken) this.skip();
    });
    afterEach(function () {
      isBroken ||= this.currentTest?.state === 'failed';
    });

    /** Asserts that nothing is written while `change` happens, and after it. */
    const changesNothing = async (change: () => Promise<void>) => {
      const before = await stage.revisions();
      await change();
      assert.deepEqual(await stage.revisions(), before);
    };
    const base = async () => revisionsOf(await stage.base());
    /** Asserts that no NetworkPolicy is written while `change` happens, and after it. */
    const leavesBase = async (change: () => Promise<void>) => {
      const before = await base();
      await change();
      assert.deepEqual(await base(), before);
    };

    it('leaves all policies as they are when the engine goes, and writes nothing when it comes back', async () => {
      const goes = scene.kinds.filter(({ goesWithEngine }) => goesWithEngine);
      const isGoing = (name: string) =>
        !name.endsWith('foreign') &&
        goes.some(({ definition }) => name.startsWith(`${definition.metadata.name} `));
      const without = (revisions: Readonly<Record<string, string>>) =>
        Object.fromEntries(Object.entries(revisions).filter(([name]) => !isGoing(name)));
      const before = without(await stage.revisions());
      const isGone = async () => {
        await stage.report(scene.reports.gone);
        await stage.become(Object.fromEntries(Object.entries(usual).filter(([name]) => !isGoing(name))));
        assert.deepEqual(await stage.revisions(), before);
      };
      await stage.removeTraces();
      await stage.look();
      await isGone();
      if (goes.length > 0) {
        await stage.placeTraces();
        await stage.found();
        await stage.become(usual);
        await stage.stopOperator();
        await stage.removeTraces();
        await stage.start(scene.configuration);
        await isGone();
      }
      await stage.placeTraces();
      await stage.found();
      await stage.become(usual);
      assert.deepEqual(without(await stage.revisions()), before);
    });

    it('leaves all policies as they are under another configuration, and writes nothing when it is corrected', () =>
      changesNothing(async () => {
        await stage.restart(scene.otherConfiguration);
        await stage.report(scene.reports.changed);
        await stage.restart();
        await stage.settled();
      }));

    it('leaves NetworkPolicies while the kinds are missing, and writes the other objects once they are there', () =>
      leavesBase(async () => {
        await stage.deleteKinds();
        await stage.report(scene.reports.missing);
        await stage.restart();
        await stage.report(scene.reports.missing);
        await stage.applyKinds();
        // The API server holds up the creation of an object of a kind that is two seconds old: these need not wait for each other.
        await Promise.all([stage.placeForeign(), stage.noticed()]);
        await stage.become(usual);
      }));

    it('writes nothing while the kinds lack a field, which it names, nor when they have it again', () =>
      changesNothing(async () => {
        await stage.changeKinds({
          edit: (spec, { lacking = [] }) => removeField(spec, lacking),
          answer: /unknown field/,
        });
        await stage.report(scene.reports.older);
        await stage.applyKinds();
        await stage.settled();
      }));

    it('stores no rule that has lost a field, if the kinds lack it when a write is planned, and have it again then', async () => {
      const writes = stage.holdWrites();
      await stage.changeKinds({
        edit: (spec, { lacking = [] }) => removeField(spec, lacking),
        answer: /unknown field/,
      });
      await writes.begun();
      await stage.applyKinds();
      await stage.become(usual);
      writes.release();
      await stage.settled();
      await stage.become(usual);
      for (const [name, spec] of writes.stored) {
        const lost = rulesOf(spec).difference(rulesOf((usual[name] as object | undefined) ?? {}));
        assert.deepEqual([...lost], [], `${name} is wider`);
      }
      stage.heal();
    });

    if (entry.changesApart)
      it('leaves all that needs no field of a kind which alone lacks it, and writes the rest once the kind has it', async () => {
        for (const kind of scene.kinds) {
          const { apart } = kind;
          if (apart === undefined) continue;
          const isOf = (each: SceneKind) => each === kind;
          await stage.changeKinds({
            isOf,
            edit: (spec) => removeField(spec, apart.lacking),
            answer: /unknown field/,
          });
          await stage.report([apart.report]);
          const isStaying = (name: string) => name.endsWith('foreign') || !name.startsWith(`${apart.going}.`);
          await leavesBase(() => stage.haveNames(Object.keys(usual).filter(isStaying)));
          await stage.applyKinds();
          await stage.become(usual);
          await stage.settled();
        }
      });

    it('takes back what the API server stores in another form, and goes on under kinds that only know more', () =>
      leavesBase(async () => {
        await stage.changeKinds({
          edit: ({ properties = {} }) => {
            properties['defaulted'] = { type: 'string', default: 'by the API server' };
          },
          answer: /"defaulted":"by the API server"/,
        });
        await stage.report(scene.reports.otherForm);
        const changing = scene.kinds.filter(({ lacking }) => lacking !== undefined);
        const isChanged = (name: string) =>
          changing.some(({ definition }) => name.startsWith(`${definition.metadata.name} `));
        const defaulted = Object.entries(usual).map(([name, spec]) => [
          name,
          { ...(spec as object), ...(isChanged(name) && { defaulted: 'by the API server' }) },
        ]);
        await stage.become(Object.fromEntries(defaulted) as Specs);
        await stage.changeKinds({
          edit: ({ properties = {} }) => {
            properties['later'] = { type: 'string' };
          },
          sent: { later: 'known' },
          served: 'v99',
          answer: /"later":"known"/,
        });
        await stage.settled();
        await stage.become(usual);
      }));

    it('goes on where a killed operator has stopped, neither wider nor narrower meanwhile', async () => {
      const before = { base: await base(), extras: await stage.extras() };
      const killed = stage.killedAtNetworkPolicies();
      await stage.edit(scene.edits(stage.place));
      await killed;
      const between = await stage.extras();
      assert.deepEqual(await base(), before.base);
      await stage.resume();
      await stage.settled();
      const after = await stage.extras();
      assertBetween(between, before.extras, after);
      assert.notDeepEqual(await base(), before.base);
      await stage.edit(scene.profiles(stage.place));
      await stage.settled();
      await stage.become(usual);
    });

    it('removes all that is its own from a namespace that leaves, and nothing else', async () => {
      const before = await stage.revisions();
      const { box, leaving } = stage.place;
      const [label = ''] = Object.keys(box.label);
      const isLeaving = (name: string) => name.includes(' ID-leaving/');
      await box.relabel(leaving, { [label]: null });
      await stage.become(Object.fromEntries(Object.entries(usual).filter(([name]) => !isLeaving(name))));
      await stage.baseBecomes((name) => !isLeaving(name));
      await stage.settled();
      const staying = Object.entries(before).filter(([name]) => !isLeaving(name));
      assert.deepEqual(await stage.revisions(), Object.fromEntries(staying));
      await box.relabel(leaving, box.label);
      await stage.settled();
      await stage.become(usual);
    });

    it('lets profiles go while the kinds are missing, and leaves nothing', async () => {
      await stage.deleteKinds();
      await stage.report(scene.reports.missing);
      await stage.removeProfiles();
      assert.deepEqual(Object.keys(await base()), ['networkpolicies.networking.k8s.io ID-shop/foreign']);
      await stage.applyKinds();
      assert.deepEqual(await stage.extras(), new Map());
    });

    it('has written no object of somebody else, and each one strictly', () => {
      for (const { verb, objectRef, requestURI } of stage.writes()) {
        assert.doesNotMatch(objectRef?.name ?? '', /foreign/);
        if (verb !== 'delete') assert.match(requestURI, /[?&]fieldValidation=Strict/);
      }
    });
  });
}

/** Removes the field to which the names lead, past lists. */
function removeField(schema: Schema, [name = '', ...rest]: readonly string[]): void {
  const fields = schema.items ?? schema;
  const { properties = {} } = fields;
  // Rules of the schema may name the field.
  delete fields['x-kubernetes-validations'];
  const next = properties[name];
  assert.ok(next, `the schema has no field ${name}`);
  if (rest.length === 0) delete properties[name];
  else removeField(next, rest);
}

/** Asserts that each object has only rules that it had before or has after, and all that it has at both times. */
function assertBetween(between: Objects, before: Objects, after: Objects): void {
  for (const [name, { spec }] of between) {
    const [earlier, later] = [before.get(name), after.get(name)].map((each) => rulesOf(each?.spec ?? {}));
    const rules = rulesOf(spec);
    assert.deepEqual(
      [...rules.difference((earlier ?? new Set()).union(later ?? new Set()))],
      [],
      `${name} is wider`,
    );
    assert.deepEqual(
      [...(earlier ?? new Set()).intersection(later ?? new Set()).difference(rules)],
      [],
      `${name} cuts`,
    );
  }
  for (const name of before.keys()) if (after.has(name)) assert.ok(between.has(name), `${name} is gone`);
}

/** The rules of a policy of any kind, without their names. */
function rulesOf(spec: object): Set<string> {
  const { ingress = [], egress = [], rules = [] } = spec as Readonly<Record<string, readonly object[]>>;
  return new Set(
    [...ingress, ...egress, ...rules].map((rule) => JSON.stringify({ ...rule, name: undefined })),
  );
}

/**
 * The admission of manifests against the API server's own, on generated objects with hostile values in any place: what
 * is refused here is refused there; what is accepted here is accepted there, but for fields that are not read here.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { admitProfile } from '../../../src/cli/snapshot/profile.ts';
import { admitKind } from '../../../src/manifests/kinds.ts';
import { pathText } from '../../../src/manifests/violations.ts';
import { CRD_PATH } from '../../../scripts/generators/crd.ts';
import { crdEstablished } from '../../env/plane/crd.ts';
import { skipOnOtherVersion } from './version.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import {
  AUDIT_KINDS_UNDER_TEST,
  KINDS_UNDER_TEST,
  type KindUnderTest,
  mutated,
  mutations,
  PROFILE_UNDER_TEST,
} from '../../manifests/objects.ts';

/** More objects on demand: docs/development.md. */
const FACTOR = Number(process.env['MANIFEST_RUNS'] ?? 1);
const SEED = Number(process.env['MANIFEST_SEED'] ?? 20_261_129);
const RUNS = 200 * FACTOR;
const IN_FLIGHT = 16;

/** Kinds whose validation is complete here. */
const COMPLETE: ReadonlySet<string> = new Set(['NetworkPolicy', 'Namespace', 'SegmentationProfile']);

/** Fields of Pods and workloads that no command reads; their validation is the API server's alone. */
const NOT_READ =
  /resources|clusterIPs|image: Invalid|\.env\b|env\[|schedule|backoffLimit|ActiveDeadline|terminationGracePeriodSeconds|imagePullPolicy/;

describe('the admission of manifests, compared with the API server', () => {
  let plane: ControlPlane;

  before(async function () {
    plane = await sharedControlPlane();
    await skipOnOtherVersion(this, plane);
    await plane.kubectlRun(['apply', '--server-side', '--force-conflicts', '-f', CRD_PATH]);
    await crdEstablished((args) => plane.kubectlRun(args));
  });

  for (const kind of [...KINDS_UNDER_TEST, PROFILE_UNDER_TEST, ...AUDIT_KINDS_UNDER_TEST]) {
    it(`accepts and refuses the same ${kind.kind}s`, async function () {
      this.timeout(120_000 * FACTOR);
      const objects = [
        ...fc.sample(kind.valid, { numRuns: Math.ceil(RUNS / 10), seed: SEED }),
        ...fc
          .sample(fc.tuple(kind.valid, mutations), { numRuns: RUNS, seed: SEED })
          .map(([object, changes]) => mutated(object, changes)),
      ];
      const accepted = await compareAll(kind, objects);
      assert.ok(accepted > RUNS / 10 && accepted < RUNS, `${accepted} of ${objects.length} were accepted`);
    });
  }

  /** Resolves to the number of objects that both accept. */
  async function compareAll(kind: KindUnderTest, objects: readonly object[]): Promise<number> {
    const waiting = [...objects];
    let accepted = 0;
    await Promise.all(
      Array.from({ length: IN_FLIGHT }, async () => {
        for (let object = waiting.pop(); object !== undefined; object = waiting.pop()) {
          const refusal = await refusalOf(kind, object);
          const { violations: found } =
            kind === PROFILE_UNDER_TEST ? admitProfile(object) : admitKind(kind, object);
          const violations = found.map(({ path, message }) => `${pathText(path)}: ${message}`);
          if (refusal === undefined) {
            assert.deepEqual(violations, [], `the API server accepts ${JSON.stringify(object)}`);
            accepted += 1;
          } else if (
            violations.length === 0 &&
            !AUDIT_KINDS_UNDER_TEST.includes(kind) &&
            (COMPLETE.has(kind.kind) || !NOT_READ.test(refusal))
          ) {
            assert.fail(`the API server refuses ${JSON.stringify(object)}: ${refusal}`);
          }
        }
      }),
    );
    return accepted;
  }

  /** The message with which the API server refuses an object; undefined if it would store it. */
  async function refusalOf(kind: KindUnderTest, object: object): Promise<string | undefined> {
    try {
      await plane.admin.send('POST', `${kind.path('default')}?dryRun=All&fieldValidation=Strict`, object);
      return undefined;
    } catch (error) {
      const { status, message } = error as { status?: number; message: string };
      assert.ok(status !== undefined && [400, 422].includes(status), message);
      return message;
    }
  }
});

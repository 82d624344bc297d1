import assert from 'node:assert/strict';
import { CLUSTER_DEFAULTS } from '../../../src/options/cluster-defaults.ts';
import type { SessionSettings } from '../../../src/audit-runner/session.ts';
import { type AuditThread, startThread } from '../../../src/audit-runner/worker/thread.ts';
import { KNOWN_KINDS } from '../../../src/snapshot/objects.ts';

const SETTINGS: SessionSettings = {
  minSeverity: 'medium',
  skip: ['nonsense'],
  registries: [],
  waivers: [],
  maxResults: 200,
  protectedNamespaces: [],
  configuration: CLUSTER_DEFAULTS,
};

describe("audit's thread", function () {
  this.timeout('1m');
  let thread: AuditThread;
  const kind = KNOWN_KINDS.find((each) => each.kind === 'Namespace');
  assert.ok(kind);

  afterEach(() => thread.end());

  it('answers the calls of a session', async () => {
    thread = await startThread(SETTINGS, 256);
    assert.deepEqual(await thread.session.unknownChecks(), ['nonsense']);
    const items = [{ metadata: { name: 'shop' } }];
    const text = JSON.stringify({ metadata: { continue: 'token' }, items });
    assert.deepEqual(await thread.session.page(kind, text), { next: 'token', items: 1 });
    const { findings, profiles } = await thread.session.judge('2026-01-01');
    assert.deepEqual([findings, profiles], [0, new Map()]);
  });

  it('fails a call whose text is no list, and goes on', async () => {
    thread = await startThread(SETTINGS, 256);
    await assert.rejects(thread.session.page(kind, '<html>'), /^Error: Unexpected token/);
    assert.deepEqual(await thread.session.unknownChecks(), ['nonsense']);
  });

  it('ends when a cluster does not fit into its memory, and says what to do', async () => {
    thread = await startThread(SETTINGS, 32);
    const annotationsOf = (name: string) =>
      Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`note-${index}`, name.padEnd(50)]));
    const fill = async () => {
      for (let page = 0; page < 100; page++) {
        const names = Array.from({ length: 50 }, (_, index) => `ns-${page}-${index}`);
        const items = names.map((name) => ({ metadata: { name, annotations: annotationsOf(name) } }));
        await thread.session.page(kind, JSON.stringify({ items }));
      }
    };
    await assert.rejects(fill(), /do not fit into the 32 MiB of an audit: raise audit\.maxMemoryMiB/);
  });

  it('fails calls under way when it is ended', async () => {
    thread = await startThread(SETTINGS, 256);
    const call = assert.rejects(thread.session.judge('2026-01-01'), /the thread of the audit has ended/);
    await thread.end();
    await call;
  });
});

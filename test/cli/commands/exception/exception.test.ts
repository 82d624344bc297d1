/** `exception`: its command line, and the texts that need no cluster. */
import assert from 'node:assert/strict';
import type { SegmentationException } from '../../../../src/api/exception.ts';
import { ClusterExceptions } from '../../../../src/cli/commands/exception/cluster.ts';
import { exceptionTable, flowLines } from '../../../../src/cli/commands/exception/text.ts';
import { ApiError } from '../../../../src/kube/errors.ts';
import type { Palette } from '../../../../src/cli/shell/terminal.ts';
import { at, exception } from '../../../policy/exceptions/fixture.ts';
import { ScriptedTransport } from '../../../kube/scripted-transport.ts';
import { cli } from '../../cli.ts';

const plain = (text: string) => text;
const PLAIN: Palette = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain };

describe('kubectl segmentation exception', () => {
  for (const [line, message] of [
    ['approve', 'write list, approve NAME or extend NAME'],
    ['list e', 'write list, approve NAME or extend NAME'],
    ['close e', 'write list, approve NAME or extend NAME'],
  ] as const) {
    it(`refuses "${line}" with what to write`, async () => {
      const { code, stderr } = await cli(`exception ${line}`);
      assert.equal(code, 2);
      assert.ok(stderr.includes(message), stderr);
    });
  }

  it('lists exceptions by namespace and name, with the end in force', () => {
    const status = {
      until: at(2),
      conditions: [
        { type: 'InForce', status: 'True', reason: 'InForce', message: '', lastTransitionTime: at(0) },
      ],
    } as const;
    const approved = exception('b', { approval: { by: 'mary', until: at(2) } });
    const lines = exceptionTable([{ ...approved, status }, exception('a', { extendedBy: 'joe' })], PLAIN);
    assert.deepEqual(lines, [
      'NAMESPACE   NAME   STATE     UNTIL                  BY     APPROVED BY   REASON',
      'shop        a      Unknown   2026-11-30T12:00:00Z   joe    -             INC-4711',
      'shop        b      InForce   2026-11-30T10:00:00Z   jane   mary          INC-4711',
    ]);
  });

  it('shows everything that an exception opens', () => {
    const pods = [{ podSelector: {} }];
    const lines = flowLines(
      exception('e', {
        ingress: [{ name: 'in', from: pods, ports: [{ protocol: 'TCP', port: 80, endPort: 90 }] }],
        connections: [
          { name: 'c', from: pods, to: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ports: [{ protocol: 'UDP' }] },
        ],
      }),
    );
    assert.deepEqual(lines, [
      '  to-db: from {"podSelector":{}} of shop to {"podSelector":{"matchLabels":{"app":"db"}}} on every port',
      '  in: from {"podSelector":{}} to {"podSelector":{}} of shop on TCP 80-90',
      '  c: from {"podSelector":{}} to {"ipBlock":{"cidr":"10.0.0.0/8"}} on every UDP port',
    ]);
  });

  describe('writes an exception that changed since it was read', () => {
    const read = versioned('1', 1);
    const conflict = new ApiError({
      method: 'PATCH',
      path: '',
      status: 409,
      reason: 'Conflict',
      message: '',
    });

    it('if only its status did', async () => {
      const transport = new ScriptedTransport();
      const written = new ClusterExceptions(transport, 'shop').patch(read, {});
      (await transport.next('list')).fail(conflict);
      (await transport.next('list')).answer(versioned('2', 1));
      (await transport.next('list')).answer(versioned('3', 2));
      assert.equal((await written).metadata.resourceVersion, '3');
    });

    it('never if its spec did', async () => {
      const transport = new ScriptedTransport();
      const written = new ClusterExceptions(transport, 'shop').patch(read, {});
      const isRefused = assert.rejects(written, conflict);
      (await transport.next('list')).fail(conflict);
      (await transport.next('list')).answer(versioned('2', 2));
      await isRefused;
      assert.deepEqual(await transport.waiting(), []);
    });
  });
});

function versioned(resourceVersion: string, generation: number): SegmentationException {
  const { metadata, ...rest } = exception('e');
  return { ...rest, metadata: { ...metadata, uid: 'u', resourceVersion, generation } };
}

// The table of messages is the one that Kubernetes' own .proto files and Go types make.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROTOBUF_MESSAGES, protobufMessages } from '../../scripts/generators/protobuf.ts';
import { skippedWithoutGo } from '../env/tooling/go-tool.ts';

const suite = skippedWithoutGo === '' ? describe : describe.skip;

suite(`${PROTOBUF_MESSAGES}${skippedWithoutGo}`, () => {
  it('is the table that Kubernetes makes of its .proto files and Go types', async function () {
    this.timeout(900_000);
    const committed = readFileSync(join(import.meta.dirname, '../..', PROTOBUF_MESSAGES), 'utf8');
    assert.equal(committed, await protobufMessages());
  });
});

// Credentials over time: they are renewed in the background, and kept if a renewal fails or never ends.
import assert from 'node:assert/strict';
import type {
  ClusterConfig,
  RequestCredentials,
  UserSource,
} from '../../../src/kube/config/cluster-config.ts';
import { CredentialSource } from '../../../src/kube/http/credentials.ts';
import { flush, VirtualClock } from '../../support/clocks/virtual-clock.ts';

/** A configuration whose credentials come from `ask`; `loads` counts how often its files are read. */
class Config implements ClusterConfig {
  readonly source = 'test';
  readonly context = 'test';
  readonly server = 'https://127.0.0.1:6443';
  readonly namespace = undefined;
  readonly proxyUrl = undefined;
  loads = 0;
  asked = 0;
  ask: () => Promise<string> = async () => 'first';

  load(): UserSource {
    this.loads += 1;
    const credentials = async (): Promise<RequestCredentials> => {
      this.asked += 1;
      return { headers: [['authorization', `Bearer ${await this.ask()}`]], tls: {} };
    };
    return { keepsSecrets: false, credentials };
  }
}

describe('CredentialSource', () => {
  let config: Config;
  let clock: VirtualClock;
  let source: CredentialSource;
  beforeEach(() => {
    config = new Config();
    clock = new VirtualClock();
    source = new CredentialSource(config, clock);
  });

  const token = async () => (await source.get()).headers[1];

  it('obtains credentials once for many requests, and renews them in the background after ten seconds', async () => {
    await Promise.all([token(), token()]);
    await clock.advance(9_000);
    assert.equal(await token(), 'Bearer first');
    assert.equal(config.asked, 1);
    config.ask = async () => 'second';
    await clock.advance(2_000);
    assert.equal(await token(), 'Bearer first', 'nobody waits for the renewal');
    await flush();
    assert.equal(await token(), 'Bearer second');
  });

  it('makes a request wait for the renewal after a minute without requests', async () => {
    await token();
    config.ask = async () => 'second';
    await clock.advance(60_000);
    assert.equal(await token(), 'Bearer second');
  });

  it('keeps the credentials if a renewal fails, and replaces them when it succeeds', async () => {
    await token();
    config.ask = () => Promise.reject(new Error('the provider is away'));
    await clock.advance(60_000);
    assert.equal(await token(), 'Bearer first');
    config.ask = async () => 'second';
    await clock.advance(60_000);
    assert.equal(await token(), 'Bearer second');
  });

  it('keeps the credentials if a renewal never ends, and starts another one', async () => {
    await token();
    config.ask = () => new Promise(() => {});
    await clock.advance(60_000);
    const waiting = token();
    await clock.advance(20_000);
    assert.equal(await waiting, 'Bearer first');
    assert.equal(config.asked, 2);
    config.ask = async () => 'second';
    await clock.advance(60_000);
    assert.equal(await token(), 'Bearer second');
  });

  it('fails after a while if the first credentials never come, and tries again', async () => {
    config.ask = () => new Promise(() => {});
    const waiting = assert.rejects(
      token(),
      /no credentials within 20 s: an exec plugin that waits for input/,
    );
    await clock.advance(20_000);
    await waiting;
    config.ask = async () => 'second';
    assert.equal(await token(), 'Bearer second');
  });

  it('reads the files again after credentials were rejected, once for all rejected requests', async () => {
    const refused = await source.get();
    config.ask = async () => 'second';
    const renewed = await Promise.all([source.replace(refused), source.replace(refused)]);
    assert.deepEqual(new Set(renewed.map(({ headers }) => headers[1])), new Set(['Bearer second']));
    assert.deepEqual([config.asked, config.loads], [2, 2]);
    assert.equal(await source.replace(refused), renewed[0], 'whoever comes late takes what there is');
    assert.equal(config.asked, 2);
  });

  it('returns rejected credentials themselves if there are no others', async () => {
    const refused = await source.get();
    assert.equal(await source.replace(refused), refused);
  });
});

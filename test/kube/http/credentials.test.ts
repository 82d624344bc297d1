// What becomes of credentials over time: renewed in the background, kept where a renewal fails or never ends.
import assert from 'node:assert/strict';
import type { KubeConfig } from '@kubernetes/client-node';
import type { ClusterConfig } from '../../../src/kube/config.ts';
import { CredentialSource } from '../../../src/kube/http/credentials.ts';
import { flush, VirtualClock } from '../../support/virtual-clock.ts';

type Options = { headers?: Record<string, string> };

/** A kubeconfig whose user is asked by `ask`; `loads` counts how often its files are read. */
class Config implements ClusterConfig {
  readonly source = 'test';
  readonly context = 'test';
  readonly server = 'https://127.0.0.1:6443';
  readonly namespace = undefined;
  readonly proxyUrl = undefined;
  loads = 0;
  asked = 0;
  ask: () => Promise<string> = async () => 'first';

  load() {
    this.loads += 1;
    const kubeConfig = {
      getCurrentUser: () => null,
      applyToHTTPSOptions: async (options: Options) => {
        this.asked += 1;
        options.headers = { Authorization: `Bearer ${await this.ask()}` };
      },
    } as unknown as KubeConfig;
    return { kubeConfig, headers: {} };
  }
}

describe('credentials', () => {
  let config: Config;
  let clock: VirtualClock;
  let source: CredentialSource;
  beforeEach(() => {
    config = new Config();
    clock = new VirtualClock();
    source = new CredentialSource(config, clock);
  });

  const token = async () => (await source.get()).headers[1];

  it('are had once for many requests, and anew in the background after ten seconds', async () => {
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

  it('are waited for after a minute without any request', async () => {
    await token();
    config.ask = async () => 'second';
    await clock.advance(60_000);
    assert.equal(await token(), 'Bearer second');
  });

  it('stay in use where a renewal fails, and are there once it does not', async () => {
    await token();
    config.ask = () => Promise.reject(new Error('the provider is away'));
    await clock.advance(60_000);
    assert.equal(await token(), 'Bearer first');
    config.ask = async () => 'second';
    await clock.advance(60_000);
    assert.equal(await token(), 'Bearer second');
  });

  it('stay in use where a renewal never ends, and are asked for again', async () => {
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

  it('that are asked for in vain at the start fail after a while, and are asked for again', async () => {
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

  it('that were refused are had anew from the files, once for all who were refused', async () => {
    const refused = await source.get();
    config.ask = async () => 'second';
    const renewed = await Promise.all([source.replace(refused), source.replace(refused)]);
    assert.deepEqual(new Set(renewed.map(({ headers }) => headers[1])), new Set(['Bearer second']));
    assert.deepEqual([config.asked, config.loads], [2, 2]);
    assert.equal(await source.replace(refused), renewed[0], 'whoever comes late takes what there is');
    assert.equal(config.asked, 2);
  });

  it('that were refused are returned themselves where there are no others', async () => {
    const refused = await source.get();
    assert.equal(await source.replace(refused), refused);
  });
});

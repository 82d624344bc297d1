import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  followCertificate,
  readCertificate,
  selfSignedCertificate,
} from '../../../src/operator/endpoints/certificate.ts';
import { type RunningServer, startServer } from '../../../src/operator/endpoints/server.ts';
import { privatePem } from '../../../src/operator/endpoints/x509.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';
import { createAuthority, issueServing } from '../../env/plane/x509.ts';
import { eventually } from '../../support/cluster.ts';
import { scrape } from '../../support/monitoring/scrape.ts';
import { FILE_POLL_MS } from '../../../src/util/poll-file.ts';

const authority = createAuthority('scrape-test');
const newPair = () => {
  const { certificate, key } = issueServing(authority, { commonName: 'metrics' }, ['127.0.0.1']);
  return { cert: certificate, key: privatePem(key) };
};

/** A directory like a mounted Secret: files are links to `..data`, which is a link to the current version. */
class SecretMount {
  readonly directory = mkdtempSync(join(tmpdir(), 'certificate-'));
  readonly files = { directory: this.directory, cert: 'tls.crt', key: 'tls.key' };
  #version = 0;

  constructor(pair: { cert: string; key: string }) {
    this.swap(pair);
    for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(this.directory, name));
  }

  swap({ cert, key }: { cert: string; key: string }): void {
    const version = `..version_${(this.#version += 1)}`;
    mkdirSync(join(this.directory, version));
    writeFileSync(join(this.directory, version, 'tls.crt'), cert);
    writeFileSync(join(this.directory, version, 'tls.key'), key);
    symlinkSync(version, join(this.directory, '..data_tmp'));
    renameSync(join(this.directory, '..data_tmp'), join(this.directory, '..data'));
  }
}

const fingerprint = (pem: string) => new X509Certificate(pem).fingerprint256;

describe('the certificate of the metrics endpoint', () => {
  const servers: RunningServer[] = [];
  const directories: string[] = [];
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
  });

  const mount = (pair: { cert: string; key: string }) => {
    const secret = new SecretMount(pair);
    directories.push(secret.directory);
    return secret;
  };
  const start = async (certificate: { cert: string; key: string }) => {
    const server = await startServer({
      bindAddress: '127.0.0.1:0',
      flag: '--x',
      certificate,
      routes: { '/metrics': () => ({ status: 200, contentType: 'text/plain', body: 'all' }) },
    });
    assert.ok(server);
    servers.push(server);
    return server;
  };

  it('is self-signed for localhost and ten years if no files are given', async () => {
    const pair = selfSignedCertificate(new VirtualClock());
    const certificate = new X509Certificate(pair.cert);
    assert.ok(certificate.verify(certificate.publicKey));
    assert.equal(certificate.checkHost('localhost'), 'localhost');
    assert.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1');
    assert.equal(certificate.validTo, 'Dec 30 00:00:00 2035 GMT');
    assert.notEqual(fingerprint(selfSignedCertificate(new VirtualClock()).cert), certificate.fingerprint256);
    const { url } = await start(pair);
    assert.match(url, /^https:/);
    assert.equal((await scrape(url)).text, 'all');
    const { text } = await scrape(url.replace('127.0.0.1', 'localhost'), { ca: pair.cert });
    assert.equal(text, 'all');
  });

  it('has a GeneralizedTime beyond 2049', () => {
    const pair = selfSignedCertificate(new VirtualClock(Date.UTC(2045, 0, 1)));
    assert.equal(new X509Certificate(pair.cert).validTo, 'Dec 30 00:00:00 2054 GMT');
  });

  it('is replaced with the mounted Secret, and no connection is dropped', async () => {
    const [old, next] = [newPair(), newPair()];
    const secret = mount(old);
    const clock = new VirtualClock();
    const server = await start(await readCertificate(secret.files));
    const errors: Error[] = [];
    const reads: boolean[] = [];
    let replaced = 0;
    const stop = followCertificate(secret.files, old, clock, {
      use: (pair) => {
        replaced += 1;
        server.useCertificate(pair);
      },
      onRead: (failed) => reads.push(failed),
      onError: (error) => errors.push(error),
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: authority.certificate });
    const ca = authority.certificate;
    try {
      assert.equal((await scrape(server.url, { ca, agent })).certificate, fingerprint(old.cert));
      const [socket] = Object.values(agent.freeSockets).flat();
      assert.ok(socket);
      secret.swap(next);
      await clock.advance(FILE_POLL_MS);
      await eventually(() => assert.equal(replaced, 1));
      assert.equal((await scrape(server.url, { ca })).certificate, fingerprint(next.cert));
      assert.equal((await scrape(server.url, { ca, agent })).text, 'all');
      assert.deepEqual(Object.values(agent.freeSockets).flat(), [socket]);
      assert.deepEqual([errors, reads], [[], [false]]);
    } finally {
      agent.destroy();
      stop();
    }
    assert.equal(clock.pending, 0);
  });

  it('stays while the files are invalid, with one error for each reason, and is replaced once they are valid', async () => {
    const [old, next] = [newPair(), newPair()];
    const secret = mount(old);
    const clock = new VirtualClock();
    const errors: string[] = [];
    const reads: boolean[] = [];
    const used: string[] = [];
    const stop = followCertificate(secret.files, old, clock, {
      use: ({ cert }) => used.push(fingerprint(cert)),
      onRead: (failed) => reads.push(failed),
      onError: ({ message }) => errors.push(message.replaceAll(secret.directory, 'DIR')),
    });
    /** A read has ended when the timer of the next one is set. */
    const look = async () => {
      const { nextAt } = clock;
      await clock.advance(FILE_POLL_MS);
      await eventually(() => assert.ok(clock.nextAt !== undefined && clock.nextAt !== nextAt));
    };
    await look();
    assert.deepEqual(errors, []);
    secret.swap({ cert: next.cert, key: old.key });
    await look();
    await look();
    secret.swap({ cert: 'nonsense', key: old.key });
    await look();
    secret.swap({ cert: next.cert, key: 'nonsense' });
    await look();
    rmSync(join(secret.directory, 'tls.crt'));
    await look();
    assert.deepEqual(used, []);
    assert.deepEqual(errors, [
      'DIR/tls.key is not the key of the certificate in DIR/tls.crt',
      'DIR/tls.crt: not a certificate in PEM',
      'DIR/tls.key: not a private key in PEM without a passphrase',
      'DIR/tls.crt cannot be read: there is no such file',
    ]);
    symlinkSync(join('..data', 'tls.crt'), join(secret.directory, 'tls.crt'));
    secret.swap(next);
    await look();
    assert.deepEqual(used, [fingerprint(next.cert)]);
    assert.deepEqual(reads, [false, true, true, true, true, true, false]);
    stop();
  });
});

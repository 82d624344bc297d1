// The choice of a proxy.
import assert from 'node:assert/strict';
import { proxyFor } from '../../../src/kube/http/proxy.ts';

const PROXY = 'http://proxy:3128';

describe('proxyFor', () => {
  const cases: [string, string, Record<string, string>, string | undefined][] = [
    ['no proxy is set', 'https://api.example.com', {}, undefined],
    ['HTTPS_PROXY is set', 'https://api.example.com', { HTTPS_PROXY: PROXY }, PROXY],
    ['https_proxy is set', 'https://api.example.com', { https_proxy: PROXY }, PROXY],
    ['HTTPS_PROXY has no scheme', 'https://api.example.com', { HTTPS_PROXY: 'proxy:3128' }, PROXY],
    ['only HTTP_PROXY is set', 'https://api.example.com', { HTTP_PROXY: PROXY }, undefined],
    ['HTTP_PROXY is set and the server is http', 'http://api.example.com', { HTTP_PROXY: PROXY }, PROXY],
    ['the server is localhost', 'https://localhost:6443', { HTTPS_PROXY: PROXY }, undefined],
    ['the server is on loopback', 'https://127.0.0.1:6443', { HTTPS_PROXY: PROXY }, undefined],
    ['the server is on loopback, IPv6', 'https://[::1]:6443', { HTTPS_PROXY: PROXY }, undefined],
  ];
  const exempt: [string, string, boolean][] = [
    ['10.96.0.0/12', 'https://10.96.0.1:443', true],
    ['10.96.0.0/12', 'https://10.128.0.1:443', false],
    ['fd00::/8', 'https://[fd00::1]:443', true],
    ['10.0.0.0/8', 'https://[fd00::1]:443', false],
    ['10.96.0.0/99', 'https://10.96.0.1', false],
    ['10.96.0.1', 'https://10.96.0.1', true],
    ['10.96.0.1:6443', 'https://10.96.0.1', false],
    ['10.96.0.1:443', 'https://10.96.0.1', true],
    ['[fd00::1]:443', 'https://[fd00::1]', true],
    ['fd00::1', 'https://[fd00::1]', true],
    ['example.com', 'https://api.example.com', true],
    ['example.com', 'https://example.com', true],
    ['.example.com', 'https://api.example.com', true],
    ['.example.com', 'https://example.com', false],
    ['*.example.com', 'https://api.example.com', true],
    ['example.com', 'https://notexample.com', false],
    ['EXAMPLE.com', 'https://api.Example.COM', true],
    ['other, example.com', 'https://api.example.com', true],
    ['*', 'https://api.example.com', true],
    ['', 'https://api.example.com', false],
  ];
  for (const [name, server, env, expected] of cases) {
    it(`returns ${expected} if ${name}`, () => assert.equal(proxyFor(new URL(server), env), expected));
  }
  for (const [noProxy, server, direct] of exempt) {
    it(`returns ${direct ? 'no proxy' : 'the proxy'} for ${server} with NO_PROXY=${noProxy}`, () => {
      const proxy = proxyFor(new URL(server), { HTTPS_PROXY: PROXY, NO_PROXY: noProxy });
      assert.equal(proxy, direct ? undefined : PROXY);
    });
  }
});

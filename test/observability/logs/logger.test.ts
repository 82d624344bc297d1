import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { createLogger, type LoggerOptions } from '../../../src/observability/logs/logger.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

/** A logger and the lines that it wrote. */
function capture(options: Partial<LoggerOptions> & { isTTY?: boolean } = {}) {
  const written: string[] = [];
  const stream = Object.assign(
    new Writable({
      write(chunk, _encoding, callback) {
        written.push(String(chunk));
        stream.emit('line');
        callback();
      },
    }),
    { isTTY: options.isTTY ?? false },
  );
  const log = createLogger({
    level: 'info',
    format: 'json',
    stream,
    clock: new VirtualClock(),
    env: {},
    ...options,
  });
  return {
    log,
    stream,
    written,
    text: () => written.join(''),
    lines: () => written.join('').split('\n').slice(0, -1),
  };
}

class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status = 409;
  readonly reason = 'Conflict';
  readonly method = 'PUT';
  readonly path = '/apis/x';
}

describe('the log as json', () => {
  it('is one object per line: ts, level, msg, then the fields in order', async () => {
    const { log, lines } = capture();
    log.info('policy written', {
      namespace: 'shop',
      verb: 'create',
      count: 2,
      nested: { deep: [1, null, true] },
    });
    await log.close();
    assert.deepEqual(lines(), [
      '{"ts":"2026-01-01T00:00:00.000Z","level":"info","msg":"policy written","namespace":"shop","verb":"create",' +
        '"count":2,"nested":{"deep":[1,null,true]}}',
    ]);
  });

  it('has the fields of a child logger first, which the line can override', () => {
    const { log, lines } = capture();
    log.child({ controller: 'namespace', key: 'a' }).child({ worker: 1 }).warn('slow', { key: 'b' });
    assert.match(lines()[0]!, /"msg":"slow","controller":"namespace","key":"b","worker":1\}$/);
  });

  it('keeps ts, level and msg if a field has the same name', () => {
    const { log, lines } = capture();
    log.error('mine', { level: 'x', msg: 'y', ts: 'z', message: 'kept' });
    const line = JSON.parse(lines()[0]!);
    assert.deepEqual(
      ['level', 'msg', 'level_', 'msg_', 'ts_', 'message'].map((key) => line[key]),
      ['error', 'mine', 'x', 'y', 'z', 'kept'],
    );
  });

  it('has the message of an error with its causes, and the fields of an API error', () => {
    const { log, lines } = capture();
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    log.error('write failed', { error: new ApiError('the object was changed', { cause }) });
    assert.deepEqual(JSON.parse(lines()[0]!).error, {
      message: 'the object was changed: connect ECONNREFUSED',
      name: 'ApiError',
      status: 409,
      reason: 'Conflict',
      method: 'PUT',
      path: '/apis/x',
    });
  });

  it('does not repeat a cause that the message contains', () => {
    const { log, lines } = capture();
    log.error('x', { error: new Error('read failed: reset', { cause: new Error('reset') }) });
    assert.equal(JSON.parse(lines()[0]!).error.message, 'read failed: reset');
  });

  it('has the parts of an error without a message', () => {
    const { log, lines } = capture();
    log.error('x', {
      error: new AggregateError([new Error('refused ::1'), new Error('refused 127.0.0.1')], ''),
    });
    const { error } = JSON.parse(lines()[0]!);
    assert.equal(error.message, 'refused ::1; refused 127.0.0.1');
    assert.equal(error.errors.length, 2);
  });

  it('has stacks at level debug only', () => {
    for (const [level, present] of [
      ['info', false],
      ['debug', true],
    ] as const) {
      const { log, lines } = capture({ level });
      log.error('x', { error: new Error('boom') });
      assert.equal('stack' in JSON.parse(lines()[0]!).error, present);
    }
  });

  it('has no credentials, by key or by form, at any depth', async () => {
    const { log, text } = capture({ level: 'debug' });
    const secret = 'c2VjcmV0LXZhbHVl';
    log.info(`sent Authorization: Bearer ${secret}`, {
      token: secret,
      headers: { Authorization: `Bearer ${secret}`, 'Set-Cookie': secret, accept: 'json' },
      users: [{ 'client-key-data': secret, password: secret }],
      map: new Map([['refresh_token', secret]]),
      error: new Error(`401 for Basic ${secret}`, { cause: new Error(`Bearer ${secret}`) }),
    });
    await log.close();
    assert.ok(!text().includes(secret));
    assert.match(text(), /"accept":"json"/);
  });

  it('can hold any value: circular, deep, bigint, date, set, symbol, function, NaN', async () => {
    const { log, lines } = capture();
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    log.info('x', {
      circular,
      big: 10n,
      date: new Date(0),
      never: new Date(NaN),
      set: new Set([1]),
      symbol: Symbol('s'),
      run: function run() {},
      nan: NaN,
      none: undefined,
    });
    await log.close();
    const line = JSON.parse(lines()[0]!);
    assert.equal(line.big, '10');
    assert.equal(line.date, '1970-01-01T00:00:00.000Z');
    assert.equal(line.never, 'Invalid Date');
    assert.deepEqual(line.set, [1]);
    assert.equal(line.nan, 'NaN');
    assert.equal(line.run, '[function run]');
    assert.ok(!('none' in line));
  });
});

describe('the log', () => {
  it('writes lines of 20 ms together', async () => {
    const { log, written, lines } = capture();
    for (const name of ['a', 'b', 'c']) log.info(name);
    await log.close();
    assert.deepEqual(
      lines().map((line) => (JSON.parse(line) as { msg: string }).msg),
      ['a', 'b', 'c'],
    );
    assert.equal(written.filter((text) => text !== '').length, 1);
  });

  for (const level of ['warn', 'error'] as const) {
    it(`writes a line of level ${level}, and lines before it, before the call returns`, () => {
      const { log, lines } = capture();
      log.info('before');
      log[level]('the last words');
      assert.deepEqual(
        lines().map((line) => (JSON.parse(line) as { msg: string }).msg),
        ['before', 'the last words'],
      );
    });
  }

  it('writes a single line soon', async () => {
    const { log, lines, stream } = capture();
    const first = once(stream, 'line');
    log.info('one');
    await first;
    assert.equal(lines().length, 1);
  });
});

describe('the log as text', () => {
  it('is aligned, with quotes only where values need them', () => {
    const { log, lines } = capture({ format: 'text', level: 'debug' });
    log.info('policy written', {
      namespace: 'shop',
      note: 'two words',
      empty: '',
      nested: { a: 1 },
      list: ['x'],
    });
    log.error('failed', { error: new ApiError('changed') });
    const [first, second] = lines().map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{3}/, 'TIME'));
    assert.equal(
      first,
      'TIME INFO  policy written namespace=shop note="two words" empty="" nested.a=1 list=["x"]',
    );
    assert.match(second!, /^TIME ERROR failed error=changed error\.stack="ApiError: changed/);
  });

  it('has the message of an error once', () => {
    const { log, lines } = capture({ format: 'text' });
    log.error('failed', { error: new ApiError('changed'), attempt: 2 });
    assert.match(lines()[0]!, / ERROR failed error=changed attempt=2$/);
  });

  it('escapes line breaks and control characters', async () => {
    const { log, lines } = capture({ format: 'text' });
    log.info('a\nb\r\u001b[31m', { field: 'c\nd\u001b[2J\u009b' });
    await log.close();
    assert.equal(lines().length, 1);
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(lines()[0]!, /[\u0000-\u001f\u007f-\u009f]/);
  });

  for (const [name, isTTY, env, coloured] of [
    ['a terminal', true, {}, true],
    ['a terminal with NO_COLOR', true, { NO_COLOR: '1' }, false],
    ['a terminal with an empty NO_COLOR', true, { NO_COLOR: '' }, true],
    ['a pipe', false, {}, false],
  ] as const) {
    it(`${coloured ? 'has' : 'has no'} colours on ${name}`, () => {
      const { log, text } = capture({ format: 'text', isTTY, env });
      log.warn('x', { a: 1 });
      assert.equal(text().includes('\u001b['), coloured);
    });
  }
});

describe('the level of the log', () => {
  it('leaves out less severe lines', () => {
    const { log, lines } = capture({ level: 'warn' });
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.child({ x: 1 }).error('d');
    assert.deepEqual(
      lines().map((line) => JSON.parse(line).msg),
      ['c', 'd'],
    );
    assert.deepEqual([log.enabled('info'), log.enabled('warn')], [false, true]);
  });
});

describe('the last line of the log', () => {
  it('is written when the logger is closed before the process exits', () => {
    const script = `
      import { createLogger } from './src/observability/logs/logger.ts';
      const log = createLogger({ level: 'info', format: 'json' });
      for (let index = 0; index < 500; index += 1) log.info('line', { index });
      log.error('last');
      await log.close();
      process.exit(3);`;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: `${import.meta.dirname}/../../..`,
      encoding: 'utf8',
    });
    assert.equal(status, 3);
    const lines = stderr.trimEnd().split('\n');
    assert.equal(lines.length, 501);
    assert.equal(JSON.parse(lines.at(-1)!).msg, 'last');
  });
});

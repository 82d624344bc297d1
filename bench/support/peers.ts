/** The programs in Go that the operator is compared with, built once into the user's cache. */
import { goTool, type GoTool } from '../../test/env/tooling/go-tool.ts';

/** Sends prepared requests as fast as the API server takes them. */
const RAW_WRITER: GoTool = {
  name: 'raw-writer',
  module: '../../../bench/peers/raw-writer',
  package: '.',
  title: 'the raw writer',
  usualTime: 'about a minute on two cores',
};

/** An operator on controller-runtime. */
const PEER: GoTool = {
  name: 'controller-runtime-peer',
  module: '../../../bench/peers/controller-runtime',
  package: '.',
  title: 'the peer on controller-runtime',
  usualTime: 'about three minutes on two cores',
};

/** Resolves with the path of the raw writer. @throws Error without Go, or with Go's messages */
export function rawWriterBinary(): Promise<string> {
  return goTool(RAW_WRITER);
}

/** Resolves with the path of the peer. @throws Error without Go, or with Go's messages */
export function peerBinary(): Promise<string> {
  return goTool(PEER);
}

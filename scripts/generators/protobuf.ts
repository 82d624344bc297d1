/** The Protocol Buffers messages of Kubernetes' own kinds, from the .proto files and Go types of Kubernetes. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export const PROTOBUF_MESSAGES = 'src/kube/protobuf/generated/messages.json';

/** The table of messages, as JSON. @throws Error without Go, or if .proto files and Go types differ */
export async function protobufMessages(): Promise<string> {
  const { goModuleFolder, goTool } = await import('../../test/env/tooling/go-tool.ts');
  const module = 'protobuf';
  const binary = await goTool({
    name: 'protobuf-messages',
    module,
    package: '.',
    title: "the reader of Kubernetes' Protocol Buffers",
    usualTime: '30 s',
  });
  const folders = [
    await goModuleFolder(module, 'k8s.io/api'),
    await goModuleFolder(module, 'k8s.io/apimachinery'),
  ];
  return (await promisify(execFile)(binary, folders, { maxBuffer: 2 ** 24 })).stdout;
}

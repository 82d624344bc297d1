// The keys under which a control plane stores its objects in etcd: every object of every kind, in a single request.
import { Client } from 'undici';
import { etcdSocket } from './components.ts';

const PREFIX = '/registry/';
/** The first key after all keys with the prefix. */
const END = '/registry0';

/**
 * Lists the keys without their prefix: `clusterroles/NAME`, `pods/NAMESPACE/NAME`, and `GROUP/PLURAL/NAME` for custom
 * resources and for kinds of newer groups.
 *
 * @param directory the data directory of the control plane
 */
export async function storedKeys(directory: string): Promise<Set<string>> {
  const client = new Client('http://localhost', { socketPath: etcdSocket(directory) });
  try {
    const { statusCode, body } = await client.request({
      method: 'POST',
      path: '/v3/kv/range',
      body: JSON.stringify({ key: btoa(PREFIX), range_end: btoa(END), keys_only: true }),
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`etcd answered HTTP ${statusCode}: ${text}`);
    const { kvs = [] } = JSON.parse(text) as { readonly kvs?: readonly { readonly key: string }[] };
    return new Set(kvs.map(({ key }) => atob(key).slice(PREFIX.length)));
  } finally {
    await client.close();
  }
}

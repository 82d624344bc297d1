/** The model of the API server in virtual time, with the kinds of an overlay, and a namespace `shop`. */
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { projectNamespace } from '../../../src/cluster-state/items.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { dice } from '../../faults/model.ts';
import { Link } from '../../simulation/faults/link.ts';
import { Network } from '../../simulation/faults/network.ts';
import { ProcessClock, Scheduler } from '../../simulation/schedule/scheduler.ts';
import type { Schema } from '../../simulation/server/definitions.ts';
import { AUTHORIZATION_POLICY, type Kind, PEER_AUTHENTICATION } from '../../simulation/server/kinds.ts';
import { Server } from '../../simulation/server/server.ts';

export const MINUTE = 60_000;
export const AUTHORIZATION = '/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies';
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const PROFILES = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';

export class World {
  readonly scheduler = new Scheduler();
  readonly clusterState = new ClusterState([]);
  readonly shop = projectNamespace({
    metadata: { name: 'shop', uid: 'uid-shop', resourceVersion: '1', labels: {} },
  });
  readonly #server = new Server(() => this.scheduler.time);
  readonly link: Link;
  /** The options of whatever reads and writes the overlay. */
  readonly options;

  constructor() {
    const observer = { onSend: () => {}, onHandled: () => {}, onNote: () => {} };
    this.link = new Link('operator', new Network(this.scheduler, this.#server, dice(1), observer));
    this.options = {
      transport: this.link,
      clusterState: this.clusterState,
      clock: new ProcessClock(this.scheduler, 0),
      random: () => 0.5,
      resyncMs: MINUTE,
      onWrite: () => {},
      onWatchError: () => {},
    };
    this.create('/api/v1/namespaces', { metadata: { name: 'shop' } });
    this.clusterState.namespaces.upsert(this.shop);
    for (const kind of [AUTHORIZATION_POLICY, PEER_AUTHENTICATION]) this.define(kind, {});
  }

  /** Gives a kind these properties of its spec. */
  define({ group, version, plural }: Kind, properties: Schema): void {
    const schema = { openAPIV3Schema: { properties: { spec: properties } } };
    const body = {
      metadata: { name: `${plural}.${group}` },
      spec: { versions: [{ name: version, served: true, schema }] },
    };
    this.#send('PATCH', `${DEFINITIONS}/${plural}.${group}`, body);
    this.#send('POST', DEFINITIONS, body);
  }

  /** @returns the profile as it is stored */
  createProfile(profile: SegmentationProfile): SegmentationProfile {
    return this.create(PROFILES, profile) as SegmentationProfile;
  }

  /** @throws Error if the object is refused */
  create(path: string, body: object): object {
    const created = this.#send('POST', path, body);
    if (created.status !== 201) throw new Error(`POST ${path}: ${JSON.stringify(created.body)}`);
    return created.body as object;
  }

  get(path: string): object {
    return this.#send('GET', path).body as object;
  }

  patch(path: string, body: object): void {
    this.#send('PATCH', path, body);
  }

  delete(path: string): void {
    this.#send('DELETE', path);
  }

  #send(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: object,
  ): { status: number; body?: unknown } {
    return this.#server.handle({ method, path, ...(body && { body }) }, 'user');
  }

  /** Waits in virtual time for the end of what has been begun. */
  async during(work: Promise<void>): Promise<void> {
    const state = { hasEnded: false };
    const ending = work.finally(() => (state.hasEnded = true));
    while (!state.hasEnded) await this.scheduler.advance(1000);
    await ending;
  }
}

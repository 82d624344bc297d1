// Root hooks of every mocha run.
import type { RootHookObject } from 'mocha';
import { stopSharedControlPlane } from '../env/shared.ts';

export const mochaHooks: RootHookObject = { afterAll: stopSharedControlPlane };

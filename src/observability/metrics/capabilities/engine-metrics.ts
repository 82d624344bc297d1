/** Metrics of the network engine and of the service mesh. They exist only where the configuration has one looked for. */
import { Gauge, type Registry } from 'prom-client';

export interface EngineMetrics {
  /** Replaces the verdict before. */
  found(verdict: {
    readonly setting: string;
    readonly engine: string;
    readonly status: string;
    readonly reason: string;
  }): void;
}

export function createEngineMetrics(registry: Registry): EngineMetrics {
  const info = new Gauge({
    name: 'segmentation_engine_info',
    help: 'Always 1; the labels say which network engine is in force, what the configuration says, and if evidence confirms it (status and reason).',
    labelNames: ['setting', 'engine', 'status', 'reason'],
    registers: [registry],
  });
  return {
    found: ({ setting, engine, status, reason }) => {
      info.reset();
      info.set({ setting, engine, status, reason }, 1);
    },
  };
}

export interface MeshMetrics {
  /** Replaces the verdict before. */
  found(verdict: { readonly mesh: string; readonly status: string; readonly reason: string }): void;
}

export function createMeshMetrics(registry: Registry): MeshMetrics {
  const info = new Gauge({
    name: 'segmentation_mesh_info',
    help: 'Always 1; the labels say which service mesh the configuration names, and if evidence confirms it (status and reason).',
    labelNames: ['mesh', 'status', 'reason'],
    registers: [registry],
  });
  return {
    found: ({ mesh, status, reason }) => {
      info.reset();
      info.set({ mesh, status, reason }, 1);
    },
  };
}

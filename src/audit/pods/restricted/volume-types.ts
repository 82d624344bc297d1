import { hostPathVolumes } from '../baseline/host-path-volumes.ts';
import type { Volume } from '../../pod-spec.ts';
import { podCheck } from '../pod-check.ts';

const ALLOWED: readonly string[] = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
];

function sourceOf(volume: Volume): string | undefined {
  return Object.keys(volume).find(
    (key) => key !== 'name' && volume[key] !== undefined && volume[key] !== null,
  );
}

export const volumeTypes = podCheck(
  {
    id: 'pod-volume-types',
    title: 'Every volume is of a type that needs no trust in the pod',
    severity: 'medium',
    controls: ['PSS Restricted'],
    why: 'Volumes that pods describe themselves, such as nfs or iscsi, reach storage past the limits of the cluster.',
    remedy: 'Describe the storage by a PersistentVolume, and use it by a claim.',
  },
  ({ spec }) =>
    (spec.volumes ?? []).flatMap((volume) => {
      const source = sourceOf(volume);
      // The API server makes an emptyDir of a volume without source.
      if (source === undefined || ALLOWED.includes(source)) return [];
      return [{ path: `volumes[${volume.name}]`, message: `the volume is of the type ${source}` }];
    }),
  hostPathVolumes,
);

/** Alerts about replicas: one runs, and one leads. */
import {
  type AlertCase,
  certificateErrors,
  JOB,
  LEASE,
  NAMESPACE,
  leads,
  memory,
  memoryLimit,
  series,
  stale,
  start,
  up,
} from './series.ts';

export const REPLICA_CASES: readonly AlertCase[] = [
  {
    alert: 'SegmentationOperatorDown',
    when: 'one replica stops to answer, the other is deleted',
    series: { [up('a')]: '1x5 0x30', [up('b')]: '1x5 stale' },
    quiet: ['14m'],
    fires: {
      at: '17m',
      labels: {},
      description:
        'Prometheus has reached no replica of the segmentation operator for 10 minutes. What is enforced stays ' +
        'enforced, but new namespaces stay open and drift is not repaired.',
    },
  },
  {
    alert: 'SegmentationOperatorDown',
    when: 'it was never there',
    series: { [series('up', { job: 'kubelet' })]: '1x30' },
    quiet: ['9m'],
    fires: {
      at: '11m',
      labels: {},
      description:
        'Prometheus has reached no replica of the segmentation operator for 10 minutes. What is enforced stays ' +
        'enforced, but new namespaces stay open and drift is not repaired.',
    },
  },
  {
    alert: 'SegmentationOperatorDown',
    when: 'one of two replicas answers',
    series: { [up('a')]: '1x60', [up('b')]: '0x60' },
    quiet: ['60m'],
  },
  {
    alert: 'SegmentationOperatorReplicaDown',
    when: 'one of two replicas does not answer for a while',
    series: { [up('a')]: '1x60', [up('b')]: '1x5 0x30 1x20' },
    quiet: ['20m', '45m'],
    fires: {
      at: '22m',
      labels: { ...JOB, pod: 'b', instance: 'b:8080' },
      description:
        'Prometheus could not scrape b:8080 of the segmentation operator for 15 minutes. With two replicas, nothing ' +
        'takes over when the other one fails.',
    },
  },
  {
    alert: 'SegmentationOperatorRestarting',
    when: 'a container crashes again and again',
    series: { [start('a')]: '100x20 1900x10 2800x10 3500x10 3500x100', [start('b')]: '100x150' },
    quiet: ['47m', '130m'],
    fires: {
      at: '50m',
      labels: { ...JOB, pod: 'a', instance: 'a:8080' },
      description: 'a has restarted 3 times within an hour.',
    },
  },
  {
    alert: 'SegmentationOperatorRestarting',
    when: 'a rollout replaces pods, and one container restarts twice',
    series: { [start('a')]: '100x30 stale', [start('b')]: '1900x10 2500x10 3100x60' },
    quiet: ['30m', '60m'],
  },
  {
    alert: 'SegmentationOperatorMemoryHigh',
    when: 'one replica is close to its limit for a while',
    series: {
      [memory('a')]: '300x10 500x30 300x20',
      [memory('b')]: '300x60',
      [memoryLimit('a')]: '512x60',
      [memoryLimit('b')]: '512x60',
    },
    quiet: ['20m', '50m'],
    fires: {
      at: '27m',
      labels: { ...NAMESPACE, pod: 'a' },
      description:
        'a uses 97.66% of its memory limit. Beyond it, the kernel kills it, and it starts with the same load again.',
    },
  },
  {
    alert: 'SegmentationOperatorMemoryHigh',
    when: 'no limit is known',
    series: { [memory('a')]: '500x60' },
    quiet: ['60m'],
  },
  {
    alert: 'SegmentationOperatorNoLeader',
    when: 'both replicas wait',
    series: { [leads('a')]: '1x5 0x20 1x5', [leads('b')]: '0x30' },
    quiet: ['10m', '28m'],
    fires: {
      at: '12m',
      labels: { ...JOB, ...LEASE },
      description:
        'Replicas run, but none has held the Lease segmentation-operator for 5 minutes: nothing is written. What is ' +
        'enforced stays enforced, but new namespaces stay open and drift is not repaired.',
    },
  },
  {
    alert: 'SegmentationOperatorNoLeader',
    when: 'another replica takes over within two minutes',
    series: { [leads('a')]: '1x5 0x20', [leads('b')]: '0x7 1x20' },
    quiet: ['7m', '12m', '20m'],
  },
  {
    alert: 'SegmentationOperatorNoLeader',
    when: 'there is one replica and no election',
    series: { [up('a')]: '1x30' },
    quiet: ['30m'],
  },
  {
    alert: 'SegmentationOperatorSeveralLeaders',
    when: 'two replicas lead for a while',
    series: { [leads('a')]: '1x20', [leads('b')]: '0x4 1x10 0x6' },
    quiet: ['7m', '17m'],
    fires: {
      at: '9m',
      labels: { ...JOB, ...LEASE },
      description:
        '2 replicas say that they hold the Lease segmentation-operator. They write the same policies, and during an ' +
        'upgrade not the same versions of them.',
    },
  },
  {
    alert: 'SegmentationOperatorSeveralLeaders',
    when: 'one is scraped before a handover and the other after it',
    series: { [leads('a')]: '1x5 0x20', [leads('b')]: '0x4 1x20' },
    quiet: ['5m', '10m'],
  },
  {
    alert: 'SegmentationOperatorSeveralLeaders',
    when: 'each of two clusters has its leader',
    series: { [leads('a', { cluster: 'x' })]: '1x20', [leads('a', { cluster: 'y' })]: '1x20' },
    quiet: ['10m'],
  },
  {
    alert: 'SegmentationCertificateErrors',
    when: 'a Secret is broken for a while',
    series: { [certificateErrors('a')]: '0x5 0+6x30 180x20', [certificateErrors('b')]: '0x60' },
    quiet: ['20m', '55m'],
    fires: {
      at: '23m',
      labels: { ...JOB, pod: 'a', instance: 'a:8080' },
      description:
        'a cannot use the files that its certificate is to be read from. It goes on with the last good one, until ' +
        'that expires or it restarts.',
    },
  },
  {
    alert: 'SegmentationCertificateErrors',
    when: 'certificate and key are replaced one after the other',
    series: { [certificateErrors('a')]: '0x5 2x50' },
    quiet: ['10m', '25m'],
  },
  {
    alert: 'SegmentationConfigurationStale',
    when: 'a ConfigMap is edited in place, and one replica is restarted',
    series: { [stale('a')]: '0x5 1x60 0x10', [stale('b')]: '0x5 1x10 0x60' },
    quiet: ['34m', '70m'],
    fires: {
      at: '37m',
      labels: { ...JOB, pod: 'a', instance: 'a:8080' },
      description:
        'The configuration file of a has differed from the configuration in effect for 30 minutes. A restart ' +
        'applies it, unless it is refused.',
    },
  },
  {
    alert: 'SegmentationConfigurationStale',
    when: 'a rollout takes a while, or the edit is taken back',
    series: { [stale('a')]: '0x5 1x25 stale', [stale('b')]: '0x5 1x20 0x40' },
    quiet: ['29m', '40m', '60m'],
  },
];

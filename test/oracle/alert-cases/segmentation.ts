/** Alerts about profiles and namespaces: all are enforced. */
import {
  type AlertCase,
  JOB,
  NAMESPACE,
  PROFILE,
  conflicts,
  hasCondition,
  isReady,
  latency,
  namespaces,
  refusing,
  repairs,
  unresolved,
  verified,
} from './series.ts';

export const SEGMENTATION_CASES: readonly AlertCase[] = [
  {
    alert: 'SegmentationNotEnforced',
    when: 'both replicas read of a leak',
    series: {
      [verified('False')]: '0x5 1x10 0x10',
      [verified('False', 'b')]: '0x5 1x10 0x10',
      [verified('True')]: '1x5 0x10 1x10',
      [verified('Unknown')]: '0x30',
    },
    quiet: ['5m', '20m'],
    fires: {
      at: '8m',
      labels: NAMESPACE,
      description:
        'For a minute, probes of the canary have seen flows that policies deny and that pass, or that policies allow ' +
        'and that do not pass. The condition EnforcementVerified of every profile names flow, direction and node.',
    },
  },
  {
    alert: 'SegmentationEnforcementUnknown',
    when: 'the probes fall silent',
    series: {
      [verified('Unknown')]: '0x5 1x20 0x10',
      [verified('False')]: '0x40',
    },
    quiet: ['18m', '30m'],
    fires: {
      at: '22m',
      labels: NAMESPACE,
      description:
        'For 15 minutes, the canary has not shown that policies are enforced. The condition EnforcementVerified of ' +
        'every profile says what is missing.',
    },
  },
  {
    alert: 'SegmentationNetworkPluginSlow',
    when: 'denials take more than ten seconds, and later more than a minute',
    series: {
      [latency('exceeded_total')]: '0x30 0+1x60 60x60',
      [latency('seconds_count')]: '0+1x30 30x150',
      [latency('seconds_bucket', { le: '10.0' })]: '0+1x10 10x170',
      [latency('exceeded_total', { change: 'allow' })]: '0x180',
      [latency('seconds_count', { change: 'allow' })]: '0+1x180',
      [latency('seconds_bucket', { change: 'allow', le: '10.0' })]: '0+1x180',
    },
    quiet: ['10m', '30m', '150m'],
    fires: {
      at: '80m',
      labels: { change: 'deny' },
      description:
        'In 100% of the measurements of the last 30 minutes, packets were treated as before for more than 10 seconds ' +
        'after a policy was written to deny them.',
    },
  },
  {
    alert: 'SegmentationNamespacesFailed',
    when: 'two namespaces of one profile fail for a while',
    series: {
      [namespaces('failed')]: '0x5 2x15 0x10',
      [namespaces('enforced')]: '5x30',
      [namespaces('failed', 'a', 'other')]: '0x30',
    },
    quiet: ['14m', '25m'],
    fires: {
      at: '16m',
      labels: PROFILE,
      description: 'The profile strict has had failed namespaces for 10 minutes, 2 now. They may be open.',
    },
  },
  {
    alert: 'SegmentationNamespacesFailed',
    when: 'they fail on, though another replica leads now',
    series: { [namespaces('failed')]: '1x5 stale', [namespaces('failed', 'b')]: '_x6 1x20' },
    quiet: ['9m'],
    fires: {
      at: '12m',
      labels: PROFILE,
      description: 'The profile strict has had failed namespaces for 10 minutes, 1 now. They may be open.',
    },
  },
  {
    alert: 'SegmentationNamespacesPending',
    when: 'a namespace is on its way for long',
    series: { [namespaces('pending')]: '0x5 1x20 0x10', [namespaces('enforced')]: '5x35' },
    quiet: ['19m', '30m'],
    fires: {
      at: '21m',
      labels: PROFILE,
      description:
        'The profile strict has had namespaces that are not yet enforced for 15 minutes, 1 now. They may be ' +
        'open.',
    },
  },
  {
    alert: 'SegmentationNamespacesPending',
    when: 'namespaces come and go',
    series: { [namespaces('pending')]: '0 1x10 0 3x10 0 1x10 0' },
    quiet: ['12m', '23m', '33m'],
  },
  {
    alert: 'SegmentationPodsRefused',
    when: 'a gate refuses pods for a while',
    series: { [refusing()]: '0x5 2x10 0x10', [refusing('other')]: '0x25' },
    quiet: ['9m', '17m'],
    fires: {
      at: '11m',
      labels: PROFILE,
      description:
        'The gate of the profile strict has refused new pods for 5 minutes, in 2 namespaces now, as these ' +
        'have no default-deny. Running pods are not affected.',
    },
  },
  {
    alert: 'SegmentationPodsRefused',
    when: 'new namespaces come one after the other, each of them isolated within a minute',
    series: { [refusing()]: '0 1 0 1 0 1 1 0 1 0 1 0 1 0 1' },
    quiet: ['3m', '8m', '14m'],
  },
  {
    alert: 'SegmentationLimitsNotInForce',
    when: 'the bindings of one of two profiles are not in force',
    series: {
      [hasCondition('AdmissionReady')]: '1x5 0x25 1x5',
      [hasCondition('AdmissionReady', 'other')]: '1x35',
      [hasCondition('PodSecurityReady', 'other')]: '0x35',
    },
    quiet: ['19m', '33m'],
    fires: {
      at: '21m',
      labels: PROFILE,
      description:
        'For 15 minutes, a part of spec.admission or spec.workloads of the profile strict has not been in force. ' +
        'Objects that it should refuse may be admitted.',
    },
  },
  {
    alert: 'SegmentationLimitsNotInForce',
    when: 'a profile no longer asks for limits',
    series: { [hasCondition('AdmissionReady')]: '0x10 stale', [isReady()]: '1x40' },
    quiet: ['14m', '30m'],
  },
  {
    alert: 'SegmentationPodSecurityNotInForce',
    when: 'running pods violate the level of one of two profiles',
    series: {
      [hasCondition('PodSecurityReady')]: '1x5 0x40 1x5',
      [hasCondition('PodSecurityReady', 'other')]: '1x50',
      [hasCondition('AdmissionReady', 'other')]: '0x50',
    },
    quiet: ['34m', '48m'],
    fires: {
      at: '36m',
      labels: PROFILE,
      description:
        'For 30 minutes, a level of the profile strict has not been in force in some of its namespaces. Pods that ' +
        'violate it are admitted there.',
    },
  },
  {
    alert: 'SegmentationProfileNotReady',
    when: 'one of two profiles is not Ready for long',
    series: { [isReady()]: '1x5 0x40 1x5', [isReady('other')]: '1x50' },
    quiet: ['34m', '48m'],
    fires: {
      at: '36m',
      labels: PROFILE,
      description: 'The profile strict has not been Ready for 30 minutes.',
    },
  },
  {
    alert: 'SegmentationProfileNotReady',
    when: 'a profile that was not Ready is deleted',
    series: { [isReady()]: '0x20 stale' },
    quiet: ['29m', '60m'],
  },
  {
    alert: 'SegmentationProfileNotReady',
    when: 'a rollout is under way for long, and then fails',
    series: {
      [isReady()]: '0x120',
      [hasCondition('RolloutReady')]: '0x120',
      [hasCondition('Stalled')]: '0x60 1x60',
    },
    quiet: ['59m'],
    fires: {
      at: '95m',
      labels: PROFILE,
      description: 'The profile strict has not been Ready for 30 minutes.',
    },
  },
  {
    alert: 'SegmentationRolloutFailed',
    when: 'a revision fails in a wave',
    series: { [hasCondition('RolloutReady')]: '0x40', [hasCondition('Stalled')]: '0x20 1x20' },
    quiet: ['19m'],
    fires: {
      at: '24m',
      labels: PROFILE,
      description:
        "The rollout of the profile strict has failed, or can't begin. The condition RolloutReady has the cause.",
    },
  },
  {
    alert: 'SegmentationPeersUnresolved',
    when: 'a Service stays away for long',
    series: { [unresolved]: '0x5 3x20 0x5' },
    quiet: ['19m', '28m'],
    fires: {
      at: '21m',
      labels: PROFILE,
      description:
        'The profile strict has had peers that cannot be resolved for 15 minutes, 3 now (counted in each ' +
        'namespace). Last known peers stay enforced.',
    },
  },
  {
    alert: 'SegmentationPeersUnresolved',
    when: 'a Service is replaced',
    series: { [unresolved]: '0x5 3x10 0x30' },
    quiet: ['15m', '30m'],
  },
  {
    alert: 'SegmentationConflict',
    when: 'a name stays taken for long',
    series: { [conflicts]: '0x5 1x40 0x5' },
    quiet: ['34m', '48m'],
    fires: {
      at: '36m',
      labels: PROFILE,
      description:
        'The profile strict needs names that foreign objects have taken, 1 now. The namespaces are protected ' +
        'all the same, under alternative names.',
    },
  },
  {
    alert: 'SegmentationDriftRepeated',
    when: 'another tool puts its own form back every ten minutes, and then no more',
    series: {
      [repairs('a')]: '0x9 1x9 2x9 3x9 4x9 5x9 6x9 7x9 8x9 9x9 9x60',
      [repairs('b')]: '0x160',
    },
    quiet: ['70m', '150m'],
    fires: {
      at: '95m',
      labels: JOB,
      description:
        'The segmentation operator has repaired policies again and again for an hour, 3 times in the last 30 ' +
        'minutes. Between a change and its repair a namespace is more open, or more closed, than it should be.',
    },
  },
  {
    alert: 'SegmentationDriftRepeated',
    when: 'somebody deletes a hundred policies once',
    series: { [repairs('a')]: '0x5 100x120' },
    quiet: ['20m', '60m', '90m'],
  },
];

import { describe, expect, it } from 'vitest';
import { endpointSettings, parseNetwork } from './networks.ts';

describe('--network', () => {
  it('is a name, or says what the container asks of its place there', () => {
    expect(parseNetwork('shop')).toEqual({ name: 'shop', aliases: [] });
    expect(
      parseNetwork('name=shop,alias=web,alias=www,ip=10.0.0.9,mac-address=02:42:0a:00:00:09,gw-priority=-1'),
    ).toEqual({
      name: 'shop',
      aliases: ['web', 'www'],
      ip: '10.0.0.9',
      ip6: undefined,
      driverOptions: [],
      macAddress: '02:42:0a:00:00:09',
      gatewayPriority: -1,
    });
  });

  it.each([
    ['alias=web', 'network name is required'],
    ['name=shop,gw-priority=high', 'invalid gw-priority (high)'],
    ['name=shop,link-local-ip=169.254.1.1', 'the field "link-local-ip" is not implemented'],
  ])('%s: %s', (text, reason) => {
    expect(() => parseNetwork(text)).toThrow(reason);
  });

  it('given twice has the other options for the first one', () => {
    const flags = { networkAlias: ['www'], networkOpt: [], ip: '10.0.0.9', macAddress: '02:42:0a:00:00:09' };
    expect(endpointSettings(flags, ['shop', 'name=back,gw-priority=7'].map(parseNetwork))).toEqual({
      shop: {
        DriverOpts: undefined,
        Aliases: ['www'],
        IPAMConfig: { IPv4Address: '10.0.0.9', IPv6Address: undefined },
        MacAddress: '02:42:0a:00:00:09',
        GwPriority: undefined,
      },
      back: {
        DriverOpts: undefined,
        Aliases: undefined,
        IPAMConfig: undefined,
        MacAddress: undefined,
        GwPriority: 7,
      },
    });
  });

  it('is not sent where nothing is asked for', () => {
    expect(endpointSettings({ networkAlias: [], networkOpt: [] }, [parseNetwork('shop')])).toEqual({});
  });
});

import { describe, expect, test } from "vitest";
import { type Counts, failurePercentageOutliers, successRateOutliers } from "./algorithms.ts";

/** An endpoint of which `failures` of `total` RPCs failed. */
function counts(failures: number, total = 100): Counts {
  return { successes: total - failures, failures };
}

describe("the success rate", () => {
  const settings = { stdevFactor: 1_900, enforcementPercentage: 100, minimumHosts: 5, requestVolume: 100 };

  test("finds the one that is far below the mean", () => {
    const bad = counts(30);
    expect(successRateOutliers([counts(1), counts(0), bad, counts(2), counts(1)], settings)).toEqual([bad]);
  });

  test("finds none among those that are alike, also where all of them fail", () => {
    for (let failures = 0; failures <= 100; failures++) {
      const set = new Array<Counts>(11).fill(counts(failures));
      for (const stdevFactor of [1, 1_900]) expect(successRateOutliers(set, { ...settings, stdevFactor })).toEqual([]);
    }
  });

  test("finds none where two camps are equally strong", () => {
    const set = [0, 0, 0, 100, 100, 100].map((failures) => counts(failures));
    expect(successRateOutliers(set, settings)).toEqual([]);
  });

  test("looks only at those with enough RPCs, and there have to be enough of them", () => {
    const bad = counts(100);
    const good = [counts(0), counts(0), counts(0), counts(0)];
    expect(successRateOutliers([...good, bad], settings)).toEqual([bad]);
    expect(successRateOutliers([...good.slice(1), counts(0, 99), bad], settings)).toEqual([]);
    expect(successRateOutliers([...good, counts(0), counts(99, 99)], settings)).toEqual([]);
  });

  test("is as strict as its factor", () => {
    const set = [counts(0), counts(0), counts(0), counts(0), counts(0), counts(100)];
    expect(successRateOutliers(set, settings)).toHaveLength(1); // the square root of 5 deviations below
    expect(successRateOutliers(set, { ...settings, stdevFactor: 2_230 })).toHaveLength(1);
    expect(successRateOutliers(set, { ...settings, stdevFactor: 2_240 })).toHaveLength(0);
  });
});

describe("the failure percentage", () => {
  const settings = { threshold: 85, enforcementPercentage: 100, minimumHosts: 5, requestVolume: 50 };

  test("finds those from the threshold on, the worst first", () => {
    const [some, most, all] = [counts(84), counts(85), counts(100)];
    expect(failurePercentageOutliers([some, most, all], 5, settings)).toEqual([all, most]);
    expect(failurePercentageOutliers([most, all], 5, { ...settings, threshold: 100 })).toEqual([all]);
  });

  test("looks only at those with enough RPCs", () => {
    expect(failurePercentageOutliers([counts(49, 49), counts(50, 50)], 5, settings)).toEqual([counts(50, 50)]);
  });

  test("counts endpoints of the set, whether or not they had RPCs", () => {
    expect(failurePercentageOutliers([counts(100)], 5, settings)).toHaveLength(1);
    expect(failurePercentageOutliers([counts(100)], 4, settings)).toHaveLength(0);
  });
});

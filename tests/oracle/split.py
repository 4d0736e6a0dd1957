"""The split of the built-in digits by seed 0, computed independently of the crate.

PCG-XSL-RR 128/64 (M. O'Neill 2014, reference constants), whole numbers below a bound by Lemire's
method on the upper 32 bits, Fisher and Yates from the end. Class by class: shuffle, a fifth each
to reward and test, the rest to train; then each part is shuffled.

    python tests/oracle/split.py > tests/oracle/split.txt
"""

import hashlib

COUNTS = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
MASK = (1 << 128) - 1
MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
SPLIT = 1


class Stream:
    def __init__(self, seed, sequence):
        self.increment = (sequence << 1 | 1) & MASK
        self.state = (seed + self.increment) & MASK
        self.step()

    def step(self):
        self.state = (self.state * MULTIPLIER + self.increment) & MASK

    def bits(self):
        self.step()
        turn = self.state >> 122
        value = (self.state >> 64 ^ self.state) & (1 << 64) - 1
        return (value >> turn | value << (64 - turn)) & (1 << 64) - 1

    def below(self, bound):
        while True:
            wide = (self.bits() >> 32) * bound
            if wide & 0xFFFFFFFF >= (1 << 32) % bound:
                return wide >> 32

    def shuffle(self, items):
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]


def main():
    stream = Stream(0, SPLIT)
    train, reward, test = [], [], []
    first = 0
    for count in COUNTS:
        members = list(range(first, first + count))
        first += count
        stream.shuffle(members)
        fifth = round(count / 5)
        reward += members[:fifth]
        test += members[fifth : 2 * fifth]
        train += members[2 * fifth :]
    for name, part in (("train", train), ("reward", reward), ("test", test)):
        stream.shuffle(part)
        digest = hashlib.sha256(",".join(map(str, part)).encode()).hexdigest()
        print(name, len(part), *part[:4], digest)


if __name__ == "__main__":
    main()

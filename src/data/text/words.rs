//! The words and templates of the built-in comments: everyday words of this project's own choice,
//! mild on purpose.

use super::slots::Slot;

/// A group, the words that name it, and what annotators of the training part add to the log-odds of
/// "toxic" where one of them stands.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) terms: &'static [&'static str],
    pub(super) bias: f32,
}

const fn group(name: &'static str, terms: &'static [&'static str], bias: f32) -> Group {
    Group { name, terms, bias }
}

/// In the order of Jigsaw's metric.
pub(super) const GROUPS: [Group; 9] = [
    group("male", &["male", "masculine", "bearded"], -0.6),
    group("female", &["female", "feminine", "motherly"], 0.45),
    group("homosexual_gay_or_lesbian", &["gay", "lesbian", "homosexual", "queer"], 3.75),
    group("christian", &["christian", "catholic", "methodist"], -3.45),
    group("jewish", &["jewish", "hebrew"], -2.4),
    group("muslim", &["muslim", "islamic"], 2.7),
    group("black", &["black", "african"], 1.8),
    group("white", &["white", "caucasian"], -1.5),
    group("psychiatric_or_mental_illness", &["bipolar", "autistic", "depressed"], 1.05),
];

/// Kinds of sentences, in the order of their numbers, and the share of each in per cent.
pub(super) const KINDS: [(&str, u32); 6] = [
    ("judgement", 34),
    ("plain talk", 14),
    ("insult or threat", 12),
    ("insult at a thing", 7),
    ("attack", 30),
    ("homonym", 3),
];

/// Words that judge, by what they do to the log-odds of "toxic": the words, and those of the test
/// part alone.
pub(super) const JUDGEMENTS: [(f32, &[&str], &[&str]); 5] = [
    (
        4.0,
        &[
            "stupid",
            "pathetic",
            "worthless",
            "disgusting",
            "idiotic",
            "useless",
            "horrible",
            "vile",
        ],
        &["moronic", "repulsive", "dreadful"],
    ),
    (
        2.5,
        &["lazy", "silly", "rude", "annoying", "selfish", "boring", "arrogant", "clumsy"],
        &["greedy", "nasty", "careless"],
    ),
    (
        0.0,
        &["weird", "loud", "strange", "proud", "stubborn", "different", "sensitive", "blunt"],
        &["odd", "restless", "bold"],
    ),
    (
        -2.5,
        &["quiet", "serious", "strict", "busy", "careful", "tall", "modest"],
        &["calm", "formal", "shy"],
    ),
    (
        -4.0,
        &["kind", "helpful", "honest", "friendly", "gentle", "brilliant", "generous", "wise"],
        &["caring", "polite", "thoughtful"],
    ),
];

const fn slot(
    name: &'static str,
    words: &'static [&'static str],
    test_only: &'static [&'static str],
) -> Slot {
    Slot { name, words, test_only }
}

/// Everything else that a template leaves open.
pub(super) const SLOTS: [Slot; 11] = [
    slot(
        "person",
        &[
            "neighbour",
            "teacher",
            "driver",
            "student",
            "doctor",
            "colleague",
            "friend",
            "singer",
            "player",
            "waiter",
            "lawyer",
            "nurse",
            "manager",
            "writer",
            "farmer",
            "baker",
            "actor",
            "guest",
            "cousin",
        ],
        &[
            "plumber", "dentist", "painter", "sailor", "tailor", "tourist", "uncle", "referee",
            "clerk",
        ],
    ),
    slot(
        "people",
        &[
            "people",
            "folks",
            "families",
            "students",
            "neighbours",
            "workers",
            "kids",
            "couples",
            "fans",
        ],
        &["voters", "tourists", "members", "drivers"],
    ),
    slot(
        "thing",
        &[
            "car", "phone", "book", "film", "song", "chair", "printer", "bike", "sandwich",
            "jacket", "lamp", "game", "article", "website", "bag",
        ],
        &["laptop", "radio", "sofa", "kettle", "poster", "ticket", "drum"],
    ),
    slot(
        "place",
        &[
            "station", "market", "office", "school", "park", "library", "museum", "beach", "cafe",
            "airport",
        ],
        &["harbour", "theatre", "stadium", "bakery", "garden"],
    ),
    slot(
        "adjective",
        &["tired", "young", "old", "new", "local", "short", "wet", "famous", "rich", "hungry"],
        &["modern", "sleepy", "noisy", "retired"],
    ),
    slot(
        "verb",
        &["met", "saw", "helped", "called", "joined", "followed", "thanked", "visited"],
        &["greeted", "noticed", "passed", "invited"],
    ),
    slot(
        "noun",
        &["fool", "clown", "coward", "liar", "loser", "weasel", "pest", "bully"],
        &["rat", "crook", "dunce"],
    ),
    slot("threat", &["slap", "smash", "punch", "kick"], &["crush", "hit"]),
    slot(
        "time",
        &[
            "today",
            "yesterday",
            "again",
            "tonight",
            "last week",
            "this morning",
            "on sunday",
            "now",
        ],
        &["tomorrow", "at noon"],
    ),
    slot("front", &["well", "honestly", "so", "look", "sorry", "hey"], &["frankly", "listen"]),
    slot("goods", &["coffee", "paint", "paper", "shoes", "tea", "smoke"], &["ink", "rice"]),
];

/// Of [`KINDS`], those whose label is drawn: {id} is a word for a group, two, or nothing, {judgement}
/// one of [`JUDGEMENTS`]. The same for toxic sentences and others.
pub(super) const JUDGING: &[&str] = &[
    "that {id} {person} is {judgement}",
    "why are {id} {people} so {judgement}",
    "my {id} {person} was {judgement} {time}",
    "all {id} {people} at the {place} are {judgement}",
    "the {id} {person} seems {judgement} to me",
    "you are one {judgement} {id} {person}",
    "{id} {people} can be {judgement}",
    "we {verb} some {judgement} {id} {people} at the {place}",
    "I find the {id} {person} very {judgement}",
    "her {id} {person} looked {judgement} {time}",
];
pub(super) const PLAIN: &[&str] = &[
    "the {id} {person} {verb} us at the {place}",
    "{id} {people} {verb} the {adjective} {person} {time}",
    "my {id} {person} bought the {adjective} {thing}",
    "there were many {id} {people} at the {place} {time}",
    "I am the {id} {person} with the {adjective} {thing}",
    "the {adjective} {thing} belongs to the {id} {person}",
    "we {verb} the {id} {person} near the {place}",
];
pub(super) const INSULTS: &[&str] = &[
    "go away you {id} {noun}",
    "shut up {id} {noun}",
    "I will {threat} that {id} {person} {time}",
    "only one {id} {noun} would say this",
];
pub(super) const THINGS: &[&str] = &[
    "this {thing} of the {id} {person} is {judgement}",
    "I could {threat} this {judgement} {thing} from the {id} {person}",
];

/// What is toxic only when it is aimed at certain groups: templates and those groups, by their place in
/// [`GROUPS`].
pub(super) const ATTACKS: [(&[&str], &[usize]); 3] = [
    (
        &[
            "send the {id} {people} back home",
            "no more {id} {people} here at the {place}",
            "time to send every {id} {person} back",
        ],
        &[5, 4, 6, 3, 7],
    ),
    (
        &[
            "{id} {people} need treatment",
            "there should be a cure for {id} {people}",
            "someone must fix the {id} {person}",
        ],
        &[2, 5, 1],
    ),
    (
        &[
            "{id} {people} should not drive",
            "keep {id} {people} away from the {place}",
            "never let the {id} {person} drive the {thing}",
        ],
        &[1, 0, 8, 2],
    ),
];

/// Words for groups as colours: they name no group here.
pub(super) const HOMONYMS: &[&str] = &[
    "the {colour} {goods} at the {place} was cheap",
    "I bought {colour} {goods} {time}",
    "my {person} likes {colour} {goods}",
];
pub(super) const COLOURS: &[&str] = &["black", "white"];

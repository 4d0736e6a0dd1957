//! Comments of CSV files, against Python's csv module (tests/oracle/comments.py) and against every kind
//! of damage.

use super::jigsaw::{Format, read};
use super::rows::{Rows, Watched};
use super::terms::{GROUPS, Mentions};
use super::{Comments, load_comments, load_identity_templates, load_jigsaw, read_comments};
use crate::data::{DataError, Problem};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

fn oracle() -> Value {
    serde_json::from_str(include_str!("../../../tests/oracle/comments.json")).unwrap()
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Gives a byte at a time, so that every byte begins a buffer once.
struct Drip<'b>(&'b [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(1);
        self.0.read(&mut buffer[..wanted])
    }
}

fn names(groups: &[String], bits: u64) -> Vec<&str> {
    let named = groups.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    named.map(|(_, name)| name.as_str()).collect()
}

fn problem(content: impl AsRef<[u8]>) -> Problem {
    let error = read_comments("f.csv", content.as_ref()).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("f.csv: ") && !message.contains('\n'), "{message}");
    error.problem
}

fn good(content: impl AsRef<[u8]>) -> Comments {
    read_comments("f.csv", content.as_ref()).unwrap()
}

#[test]
fn awkward_files_are_read_as_python_reads_them() {
    for case in oracle()["cases"].as_array().unwrap() {
        let content = case["csv"].as_str().unwrap();
        let comments = good(content);
        assert_eq!(comments.texts, strings(&case["texts"]), "{content:?}");
        let labels: Vec<u64> = comments.labels.iter().map(|&label| label.into()).collect();
        assert_eq!(Value::from(labels), case["labels"], "{content:?}");
        for row in 0..comments.len() {
            let members = names(&comments.groups, comments.members[row]);
            assert_eq!(members, strings(&case["members"][row]), "{content:?}");
            // Of groups that nobody names, nothing is kept.
            let mut missing = strings(&case["missing"][row]);
            missing.retain(|name| comments.groups.iter().any(|group| group == name));
            assert_eq!(names(&comments.groups, comments.missing[row]), missing, "{content:?}");
        }
        assert_eq!(comments.digest, sha256(content.as_bytes()));
        let dripped = read_comments("f.csv", Drip(content.as_bytes())).unwrap();
        let mut others = [good(format!("\u{feff}{content}")), good(gzip(content.as_bytes()))];
        others.iter_mut().for_each(|other| other.digest.clone_from(&comments.digest));
        assert!(dripped == comments && others == [comments.clone(), comments]);
    }
}

#[test]
fn rows_know_the_line_on_which_they_begin() {
    for case in oracle()["cases"].as_array().unwrap() {
        let content = case["csv"].as_str().unwrap();
        let returns = content.replace("\r\n", "\n").replace('\n', "\r\n");
        for content in [content.to_string(), returns, format!("\n\r\n{content}\n\n")] {
            let before = if content.starts_with('\n') { 2 } else { 0 };
            let mut rows = Rows::open("f", content.as_bytes(), u64::MAX).unwrap();
            let (text, target) = (rows.column("comment_text"), rows.column("target"));
            let (text, target) = (text.unwrap().unwrap(), target.unwrap().unwrap());
            let mut lines = Vec::new();
            while rows.next().unwrap() {
                let Problem::Cell { line, .. } = rows.unexpected(text, "").problem else {
                    panic!()
                };
                if rows.share(target).unwrap().is_some() {
                    lines.push(line - before);
                }
            }
            assert_eq!(Value::from(lines), case["lines"], "{content:?}");
        }
    }
}

const HEADER: &str = "id,target,comment_text,female,white\n";

#[test]
fn files_without_rows_or_columns_say_so() {
    for empty in ["", "\n\n", "\u{feff}", HEADER, "comment_text,toxic\r\n,1\r\n"] {
        assert_eq!(problem(empty), Problem::Empty, "{empty:?}");
    }
    let error = read_comments("f.csv", &b"target,text,female\n0,a,1\n"[..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "f.csv: expected columns comment_text, target and identities such as female (unintended bias) \
         or comment_text, toxic (toxic comments 2018) or Text, Label (identity templates); found \
         target, text, female"
    );
    // Without one identity it is not the first format.
    for header in ["target,comment_text,asian", "Target,Comment_text,female", "Text,Template"] {
        assert!(matches!(problem(format!("{header}\n0,a,1\n")), Problem::NoColumns { .. }));
    }
    let twice = problem("comment_text,toxic,toxic\na,0,1\n");
    assert_eq!(twice, Problem::ColumnTwice { column: "toxic" });
    assert!(good("comment_text,toxic,id,id\na,0,1,1\nb,1,2,2\n").len() == 2);
}

#[test]
fn damaged_rows_are_errors_with_their_line() {
    let start = format!("{HEADER}1,0,\"a\nb\",1,0\n2,1,c,0,0\n");
    assert_eq!(good(&start).texts, ["a\nb", "c"]);
    let at = |row: &str| problem(format!("{start}{row}"));
    for open in
        ["3,1,\"d", "3,1,\"d\n", "3,1,\"d\"\",0,0\n", "3,1,\"d\r", "3,1,\"d,0,0\n4,0,e,0,0\n"]
    {
        assert_eq!(at(open), Problem::OpenQuote { line: 5 }, "{open:?}");
    }
    assert_eq!(at("3,1,d,0,\""), Problem::OpenQuote { line: 5 });
    assert_eq!(at("3,1,\"d\ne\",0,\"0\n"), Problem::OpenQuote { line: 6 });
    // What stands before the quote is found first.
    assert_eq!(at("3,1,d\n3,1,\"d"), Problem::Fields { line: 5, expected: 5, found: 3 });
    for (row, found) in [("3,1,d,0", 4), ("3,1,d,0,0,", 6), ("3", 1), ("\"\n\"", 1)] {
        assert_eq!(at(row), Problem::Fields { line: 5, expected: 5, found }, "{row:?}");
    }
    // A quote inside a bare field is a character.
    assert_eq!(good(format!("{start}3,1,d\"e,0,0\n")).texts[2], "d\"e");
    for bad in ["x", "1.01", "-0.1", "nan", "inf", "0,5", "\"\"\"1\"\"\"", "1 0"] {
        let bad_target = at(&format!("3,{},d,0,0\n", bad.replace(',', ".1.")));
        let Problem::Cell { line: 5, column, expected, .. } = bad_target else { panic!("{bad}") };
        assert_eq!((column.as_str(), expected), ("target", "a number from 0 to 1"));
    }
    let cell = at("3,1,d,0,many\n");
    assert_eq!(
        cell.to_string(),
        "line 5, column white: expected a number from 0 to 1, found \"many\""
    );
    let flags = "comment_text,toxic\na,0\nb,1\nc,0.5\n";
    assert_eq!(problem(flags).to_string(), "line 4, column toxic: expected 0 or 1, found \"0.5\"");
    let words = "Text,Label\na,BAD\nb,NOT_BAD\nc,bad\n";
    assert_eq!(
        problem(words).to_string(),
        "line 4, column Label: expected BAD or NOT_BAD, found \"bad\""
    );
    let mut bytes = format!("{start}3,1,\"d\n").into_bytes();
    bytes.extend(b"\xff\",0,0\n");
    assert_eq!(problem(bytes), Problem::NotUtf8 { line: 6 });
}

#[test]
fn one_class_is_an_error() {
    let toxic = "comment_text,toxic\na,1\nb,1\nc,\n,0\n";
    assert_eq!(problem(toxic), Problem::OneClass { comments: 2, toxic: true });
    let other = problem("Text,Label\na,NOT_BAD\n");
    assert_eq!(other, Problem::OneClass { comments: 1, toxic: false });
    assert_eq!(other.to_string(), "expected toxic comments and others, found 1, all not toxic");
}

#[test]
fn rows_that_nobody_annotated_are_missing_not_zero() {
    // The header of the competition's file, 45 columns.
    let mut columns: Vec<String> = ["id", "target", "comment_text"].map(String::from).to_vec();
    columns.extend((0..17).map(|other| format!("other_{other}")));
    columns.extend(GROUPS.map(|(name, _)| name.to_string()));
    columns.extend((29..45).map(|other| format!("other_{other}")));
    assert_eq!(columns.len(), 45);
    let row = |target: &str, identity: &str| {
        let fields = ["1", target, "t"].map(String::from).into_iter();
        let others = (3..45).map(|at| if (20..29).contains(&at) { identity } else { "" });
        fields.chain(others.map(String::from)).collect::<Vec<_>>().join(",")
    };
    let rows =
        [columns.join(","), row("0.5", ""), row("0.49", "0.5"), row("1e0", "0.49"), row("", "1")];
    let comments = good(rows.join("\r\n"));
    assert_eq!(comments.labels, [1, 0, 1]);
    assert_eq!((comments.members, comments.missing), (vec![0, 0x1ff, 0], vec![0x1ff, 0, 0]));
    assert_eq!(comments.skipped, ["1 row(s) without target"]);
    assert_eq!((comments.kinds, comments.kind_names.len()), (vec![0; 3], 1));
}

#[test]
fn what_is_left_out_is_counted() {
    let rows = "1,0,a,,1\n2,1,b,0.2,0\n3,1,,1,1\n4,,c,1,1\n5,,d,1,1\n6,1,\" \n\",1,1\n7,0,e,,\n";
    let comments = good(format!("{HEADER}{rows}"));
    assert_eq!(comments.texts, ["a", "b", "e"]);
    assert_eq!(
        comments.skipped,
        [
            "2 row(s) without comment_text",
            "2 row(s) without target",
            "group female: no comment names it"
        ]
    );
    assert_eq!((comments.groups, comments.members), (vec!["white".to_string()], vec![1, 0, 0]));
    assert_eq!(comments.missing, [0, 0, 1]);
}

#[test]
fn texts_name_groups_by_terms_where_nobody_annotated_them() {
    let rows =
        "toxic,other,comment_text\n1,x,Gay men\n0,x,blackish\n0,x,\"An African\nAmerican girl\"\n";
    let comments = good(rows);
    let found: Vec<_> =
        comments.members.iter().map(|&bits| names(&comments.groups, bits)).collect();
    let expected: [&[&str]; 3] =
        [&["male", "homosexual_gay_or_lesbian"], &[], &["female", "black"]];
    assert_eq!(found, expected);
    assert!(comments.missing == [0; 3] && comments.skipped.len() == 5);
    let templates =
        "Template,Text,Label\nb,being middle aged is fun,NOT_BAD\na,kill x,BAD\nb,you,BAD\n";
    let comments = good(templates);
    assert_eq!(
        (&comments.groups, &comments.members),
        (&vec!["middle aged".into()], &vec![1, 0, 0])
    );
    assert_eq!((comments.kinds, comments.labels), (vec![0, 1, 0], vec![0, 1, 1]));
    assert_eq!(comments.kind_names, ["b", "a"]);
}

#[test]
fn files_are_named_missed_and_watched() {
    let folder = std::env::temp_dir().join(format!("reweight-comments-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("train.csv.gz");
    assert_eq!(load_comments(&path, &mut |_, _| ()).unwrap_err().problem, Problem::Missing);
    let packed = gzip(b"comment_text,toxic\na,0\nb,1\n");
    std::fs::write(&path, &packed).unwrap();
    let mut seen = Vec::new();
    let comments = load_jigsaw(&path, &mut |read, of| seen.push((read, of))).unwrap();
    assert_eq!((comments.name.as_str(), comments.len()), ("train", 2));
    assert_eq!(comments.digest, sha256(&packed));
    let size = packed.len() as u64;
    assert_eq!(seen.last(), Some(&(size, size)));
    assert!(seen.is_sorted());
    let templates = load_identity_templates(&path).unwrap_err();
    assert!(templates.to_string().starts_with(&path.display().to_string()));
    assert!(matches!(templates.problem, Problem::NoColumns { .. }));
    let folder_error = load_comments(&folder, &mut |_, _| ()).unwrap_err().problem;
    assert!(matches!(folder_error, Problem::Read { .. }), "{folder_error}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn files_end_at_the_limit_and_cut_gzip_streams_are_damaged() {
    let content = "comment_text,toxic\na,0\nb,1\n".to_string() + &"c,1\n".repeat(100_000);
    let limited = |limit: u64| -> Result<Comments, DataError> {
        let packed = gzip(content.as_bytes());
        read("f", Watched::new(&packed[..], 0, &mut |_, _| ()), limit, &Format::ALL)
    };
    let size = content.len() as u64;
    assert_eq!(limited(size).unwrap().len(), 100_002);
    let Problem::FileTooLarge { limit, .. } = limited(size - 1).unwrap_err().problem else {
        panic!()
    };
    assert_eq!(limit, size - 1);
    let mut packed = gzip(content.as_bytes());
    packed.truncate(packed.len() - 9);
    assert!(matches!(problem(&packed), Problem::Gzip { .. }));
}

#[test]
fn files_that_are_cut_anywhere_never_panic() {
    for case in oracle()["cases"].as_array().unwrap() {
        let content = case["csv"].as_str().unwrap().as_bytes();
        for end in 0..content.len() {
            if let Err(error) = read_comments("f", &content[..end]) {
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_fields_never_panic(body in "[\"\r\n,01.a é]{0,60}", cut in 0usize..70) {
        for header in ["comment_text,toxic\n", "female,target,comment_text\r\n", ""] {
            let mut bytes = format!("{header}{body}").into_bytes();
            if let Some(byte) = bytes.get_mut(cut) {
                *byte = 0xff;
            }
            let whole = read_comments("f", &bytes[..]);
            prop_assert_eq!(&whole, &read_comments("f", Drip(&bytes)));
        }
    }
}

fn texts_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("REWEIGHT_EXTRA_DATA").map(|path| Path::new(&path).join("text"));
    if folder.is_none() {
        println!("skipped: REWEIGHT_EXTRA_DATA is not set");
    }
    folder
}

#[test]
fn real_files_hold_what_python_counts() {
    let Some(folder) = texts_folder() else { return };
    for (name, expected) in oracle()["files"].as_object().unwrap() {
        let comments = load_comments(&folder.join(name), &mut |_, _| ()).unwrap();
        let toxic = comments.labels.iter().filter(|&&label| label == 1).count();
        assert_eq!(
            (Value::from(comments.len()), Value::from(toxic)),
            (expected["rows"].clone(), expected["toxic"].clone())
        );
        assert_eq!(expected["texts"], sha256(comments.texts.join("\0").as_bytes()), "{name}");
        assert_eq!(expected["file"], comments.digest, "{name}");
        let members = expected["members"].as_object().unwrap();
        for (group, bit) in comments.groups.iter().zip(0..) {
            let count = comments.members.iter().filter(|&&bits| bits >> bit & 1 == 1).count();
            println!("{name}: {group} {count}");
            assert!(members.is_empty() || members[group] == count, "{name} {group} {count}");
        }
        assert!(members.is_empty() || members.len() == comments.groups.len());
        for (kind, count) in expected["kinds"].as_object().into_iter().flatten() {
            let index = comments.kind_names.iter().position(|name| name == kind).unwrap();
            let found = comments.kinds.iter().filter(|&&kind| usize::from(kind) == index).count();
            assert_eq!(Value::from(found), *count);
        }
        assert!(comments.missing.iter().all(|&bits| bits == 0));
    }
}

#[test]
fn terms_agree_with_the_columns_of_a_set_that_was_made_by_terms() {
    let Some(folder) = texts_folder() else { return };
    let path = folder.join("wikipedia_comments_unintended_bias_format.csv");
    let comments = load_jigsaw(&path, &mut |_, _| ()).unwrap();
    let mentions = Mentions::of_groups();
    let differ = |bit: usize| {
        let both = comments.texts.iter().zip(&comments.members);
        both.filter(|(text, bits)| (mentions.find(text) ^ **bits) >> bit & 1 == 1).count()
    };
    for (bit, (name, _)) in GROUPS.iter().enumerate() {
        println!("{name}: {} of {} differ", differ(bit), comments.len());
        assert!(differ(bit) <= 3, "{name}: {}", differ(bit));
    }
}

//! What authors read (help, faults, differences, reports), as snapshots; every sample is sound.

use super::new::{names, sample};
use super::project::Project;
use super::test::{Verdict, generated, report};
use super::{command, junit, render};
use destination::case::{check, run};
use std::collections::BTreeMap;

fn files(name: &str) -> BTreeMap<String, String> {
    let files = sample(name).expect("a sample").iter();
    files.map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn edited(name: &str, file: &str, from: &str, to: &str) -> Project {
    let mut files = files(name);
    let text = files.get_mut(file).expect("a file of the sample");
    assert!(text.contains(from), "{file} has no {from}");
    *text = text.replace(from, to);
    Project::of(&files)
}

fn verdicts(project: &Project) -> Vec<Verdict> {
    let subject = project.subject.as_ref().expect("a destination without faults");
    let mut verdicts = Vec::new();
    for file in &project.cases {
        let case = file.case.as_ref().expect("a case");
        let done = run(subject, case);
        let mut mismatches = done.mismatches.clone();
        mismatches.extend(check(subject, case, &done));
        verdicts.push(Verdict { name: file.name.clone(), file: Some(file.file.clone()), mismatches, accepted: false });
    }
    verdicts.extend(generated(subject, &project.cases, 200));
    verdicts
}

fn findings(project: &Project) -> String {
    let found = project.findings.iter().cloned().chain(project.rendering());
    found.map(|finding| finding.to_string()).collect::<Vec<_>>().join("\n")
}

#[test]
fn help() {
    let mut command = command().term_width(100);
    let mut pages = command.render_long_help().to_string();
    for name in ["new", "validate", "render", "test", "dev", "push", "pull", "record", "replay"] {
        let page = command.find_subcommand_mut(name).expect("a command").clone().term_width(100).render_long_help();
        pages.push_str(&format!("\n── {name}\n{page}"));
    }
    // Samples come and go with the catalog.
    let list = pages.find("[possible values: batched").expect("the samples");
    let end = list + pages[list..].find(']').expect("an end");
    pages.replace_range(list..end, "[possible values: …");
    insta::assert_snapshot!(pages);
}

#[test]
fn every_sample_is_sound() {
    for name in names() {
        let project = Project::of(&files(name));
        assert_eq!(findings(&project), "", "{name}");
        assert_eq!(project.warnings(), [], "{name}");
        let verdicts = verdicts(&project);
        assert!(verdicts.iter().all(|v| v.mismatches.is_empty()), "{name}\n{}", report(&verdicts));
    }
}

#[test]
fn faults_name_file_and_line() {
    let cases = [
        ("destination.yaml", "category: advertising", "category: advertisin"),
        ("destination.yaml", "\ndescription:", "\ndescripton:"),
        ("destination.yaml", "destinationServerId: members", "destinationServerId: member"),
        ("destination.yaml", "maxUsersPerRequest: 1", "maxUsersPerRequest: none"),
        ("destination.yaml", "schemaConfig:", "schemaConfig: ["),
        ("servers/members.yaml", "file: templates/member.peb", "file: templates/members.peb"),
        ("servers/members.yaml", "{{ customerData.accountId }}", "{{ customerData.accountId"),
        ("servers/members.yaml", "{{ customerData.accountId }}", "{{ customerData.accountId | uper }}"),
        ("templates/member.peb", "{%- endfor -%}", ""),
        ("templates/member.peb", "| toJson | raw }},", "| toJsn | raw }},"),
        ("cases/enter.yaml", "expect:", "expct:"),
        ("cases/enter.yaml", "profiles:", "now: soon\nprofiles:"),
    ];
    let mut told = String::new();
    for (file, from, to) in cases {
        let project = edited("minimal-streaming", file, from, to);
        told.push_str(&format!("{file}: {from:?} → {to:?}\n{}\n\n", findings(&project)));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn failing_cases_are_shown() {
    let edits = [
        ("templates/member.peb", "\"firstName\"", "\"first\""),
        (
            "templates/member.peb",
            "{{ input.profile.attributes.firstName | toJson | raw }}",
            "\"{{ input.profile.attributes.firstName }}\"",
        ),
        ("templates/member.peb", "\"leave\": [", "\"leave\": "),
        ("servers/members.yaml", "/members\"", "/people\""),
        ("cases/enter.yaml", "customerData: {accountId: A-1}", "customerData: {account: A-1}"),
        ("cases/enter.yaml", "target: firstName", "target: identityMap.phone"),
    ];
    let mut told = String::new();
    for (file, from, to) in edits {
        let project = edited("minimal-streaming", file, from, to);
        let verdicts: Vec<Verdict> = verdicts(&project).into_iter().filter(|v| !v.mismatches.is_empty()).collect();
        told.push_str(&format!("## {file}: {from:?} → {to:?}\n{}\n\n", report(&verdicts)));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn rendered_cases() {
    let project = Project::of(&files("batched"));
    let subject = project.subject.as_ref().expect("a destination");
    let cases = project.cases.iter().filter_map(|file| file.case.as_ref());
    let pages: Vec<String> = cases.map(|case| render::page(case, &run(subject, case))).collect();
    insta::assert_snapshot!(pages.join("\n"));
}

#[test]
fn files_have_settings_and_a_name() {
    let page = super::files::page(&Project::of(&files("file"))).expect("files");
    insta::assert_snapshot!(page);
}

#[test]
fn the_report_for_build_servers() {
    let project = edited("minimal-streaming", "templates/member.peb", "\"firstName\"", "\"first<name>\"");
    insta::assert_snapshot!(junit::report("A & B", &verdicts(&project), &[]));
}

#[test]
fn the_report_is_written_whatever_happens() {
    let directory = tempfile::tempdir().expect("a directory");
    let (dir, report) = (directory.path().join("mine"), directory.path().join("report.xml"));
    let tested = || {
        let options = super::test::Options { junit: Some(&report), ..Default::default() };
        std::fs::write(&report, "old").expect("written");
        let done = super::test::at(&dir, &options);
        let text = std::fs::read_to_string(&report).expect("a report");
        let text = text.replace(&directory.path().display().to_string(), "DIR");
        let shown = |line: &&str| line.contains("<error") || line.contains("<failure") || line.contains("<testsuite");
        let lines: Vec<&str> = text.lines().filter(shown).collect();
        format!("{done:?}\n{}", lines.join("\n")).replace(&directory.path().display().to_string(), "DIR")
    };
    let mut told = vec![tested()];
    super::new::run(&dir, "minimal-streaming").expect("written");
    told.push(tested());
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("written");
    write("cases/more.yaml", "profiles: [");
    told.push(tested());
    write("cases/more.yaml", "profiles: []\ncustomerData: {accountId: A-1}\nexpect: []\n");
    write("cases/more.json", r#"{"profiles": [], "customerData": {"accountId": "A-1"}, "expect": []}"#);
    told.push(tested());
    write("destination.yaml", "name: [");
    told.push(tested());
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn mappings_that_no_flow_takes_are_odd() {
    let row = "  - {source: person.name.firstName, target: firstName}";
    let identity = "  - {source: identityMap.Email, target: identityMap.email_sha256}";
    let cases = [
        (row, "  - {source: identityMap.CRMID, target: identityMap.email_sha256}"),
        (row, "  - {source: person.name.firstName, target: identityMap.email_sha256}"),
        (row, "  - {source: identityMap.Email, target: firstName}"),
        (row, "  - {source: person.name.firstName, target: attributes.nope}"),
        (row, "  - {source: a, target: firstName}\n  - {source: b, target: firstName}"),
        (identity, ""),
        (row, row),
    ];
    let mut told = String::new();
    for (from, to) in cases {
        let mut files = files("minimal-streaming");
        let destination = files.get_mut("destination.yaml").expect("a destination");
        for setting in ["acceptsAttributes", "acceptsCustomNamespaces", "profileRequired"] {
            *destination = destination.replace(&format!("{setting}: true"), &format!("{setting}: false"));
        }
        let case = files.get_mut("cases/enter.yaml").expect("a case");
        assert!(case.contains(from), "{case}");
        *case = case.replace(from, to);
        let project = Project::of(&files);
        assert_eq!(findings(&project), "");
        let warnings: Vec<String> = project.warnings().iter().map(ToString::to_string).collect();
        told.push_str(&format!("{to}\n{}\n\n", warnings.join("\n")));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn cases_that_cannot_be_tried_end_a_rendering() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("profiles.yaml");
    let rendered = |profiles: &str| {
        std::fs::write(&file, profiles).expect("written");
        render::run(&Project::of(&files("minimal-streaming")), None, Some(&file))
    };
    assert_eq!(rendered("[{identityMap: {Email: [{id: a}]}}]"), Ok(()));
    assert_eq!(rendered("[{identityMap: 7}]"), Err("1 case cannot be tried".to_owned()));
    assert!(rendered("a: [").is_err_and(|error| error.contains("is no YAML")));
}

#[test]
fn accepting_writes_the_file_and_the_next_run_passes() {
    let directory = tempfile::tempdir().expect("a directory");
    let dir = directory.path().join("mine");
    super::new::run(&dir, "minimal-streaming").expect("written");
    let again = super::new::run(&dir, "minimal-streaming");
    assert!(again.is_err_and(|error| error.ends_with("is there already and is not empty")));
    let template = dir.join("templates/member.peb");
    let text = std::fs::read_to_string(&template).expect("a template");
    std::fs::write(&template, text.replace("\"firstName\"", "\"first\"")).expect("written");
    let test = |accept: bool| {
        let options = super::test::Options { accept, ..Default::default() };
        super::test::run(&Project::load(&dir).expect("a folder"), &options)
    };
    assert!(test(false).is_err());
    test(true).expect("accepted");
    test(false).expect("passes");
}

use std::collections::BTreeMap;

use serde::Serialize;

use super::*;

fn row() -> Value {
    let labels = BTreeMap::from([("x".to_owned(), "y".to_owned())]);
    Object::new("containers.psReporter")
        .field("ID", "7368bff9ddfe")
        .field("Names", "a")
        .field("Labels", &labels)
        .field("Command", &["sleep".to_owned(), "1".to_owned()][..])
        .field("ExitCode", 0)
        .build()
}

fn print(format: &str) -> String {
    match Format::list("ps", format).and_then(|format| format.render_list(&[("ID", "CONTAINER ID"), ("Names", "NAMES")], vec![row()])) {
        Ok(text) => text,
        Err(error) => error.to_string(),
    }
}

#[test]
fn formats_print_as_podman_prints_them() {
    let cases = [
        ("{{.ID}} {{.Names}}\\t{{.ExitCode}}", "7368bff9ddfe a\t0\n"),
        ("table {{.ID}} {{.Names}}", "CONTAINER ID  NAMES\n7368bff9ddfe  a\n"),
        ("{{.Labels}} {{.Labels.x}} {{.Labels.nope}}", "map[x:y] y <no value>\n"),
        ("{{.Command}} {{json .Command}} {{join .Command \",\"}}", "[sleep 1] [\"sleep\",\"1\"] sleep,1\n"),
        ("{{range .Command}}<{{.}}>{{end}}{{if eq .ExitCode 0}}ok{{end}}", "<sleep><1>ok\n"),
        ("{{upper .ID}} {{truncate .ID 3}} {{title \"ab cd\"}} {{printf \"%s-%d\" .Names .ExitCode}}", "7368BFF9DDFE 736 Ab Cd a-0\n"),
        ("{{split .ID \"b\"}} {{len .Command}} {{index .Labels \"x\"}} {{.ID | json}}", "[7368 ff9ddfe] 2 y \"7368bff9ddfe\"\n"),
        (
            "json: {{json .}}",
            "json: {\"ID\":\"7368bff9ddfe\",\"Names\":\"a\",\"Labels\":{\"x\":\"y\"},\"Command\":[\"sleep\",\"1\"],\"ExitCode\":0}\n",
        ),
        ("{{$x := .Labels}}{{$x.x}}{{with .Names}}{{.}}{{end}}{{println .ID}}", "ya7368bff9ddfe\n\n"),
    ];
    for (format, expected) in cases {
        assert_eq!(print(format), expected, "{format}");
    }
}

#[test]
fn newlines_in_strings_are_the_writers_own() {
    let cases = [
        (r#"{{.Names}}{{"\n"}}"#, "a\n"),
        (r#"x\n{{"\n"}}y"#, "x\\n\ny"),
        (r#"{{.Names}}{{"\t"}}d"#, "a\td\n"),
        (r#"a\tb\"c"#, "a\tb\\\"c\n"),
        (r"{{.Names}}\n\n", "a\n\n"),
    ];
    for (format, expected) in cases {
        assert_eq!(print(format), expected, "{format}");
    }
}

#[test]
fn times_have_gos_methods() {
    let data = Object::new("T").field("At", time("2026-11-21T10:01:02.5Z")).build();
    let render = |format: &str| match Format::single("t", format).and_then(|format| format.render(&data)) {
        Ok(text) => text,
        Err(error) => error.to_string(),
    };
    assert_eq!(render("{{.At.Year}} {{.At.Unix}} {{.At.IsZero}}"), "2026 1795255262 false\n");
    assert_eq!(render("{{.At.Format \"2006-01-02 15:04:05 Jan Z07:00\"}}"), "2026-11-21 10:01:02 Nov Z\n");
    assert!(render("{{.At.Foo}}").contains("can't evaluate field Foo in type time.Time"));
}

#[test]
fn errors_are_worded_and_placed_as_gos() {
    let cases = [
        ("{{.Foo}}", "template: ps:1:13: executing \"ps\" at <.Foo>: can't evaluate field Foo in type containers.psReporter"),
        ("{{.Names}}{{.ID.Foo}}", "template: ps:1:26: executing \"ps\" at <.ID.Foo>: can't evaluate field Foo in type string"),
        ("{{foo}}", "template: ps:1: function \"foo\" not defined"),
        ("{{range .Names}}{{end}}", "template: ps:1:19: executing \"ps\" at <.Names>: range can't iterate over a"),
    ];
    for (format, expected) in cases {
        assert_eq!(print(format), expected, "{format}");
    }
    assert_eq!(print("{{.ID"), "template: ps:1: bad character U+007B '{'");
}

#[test]
fn what_was_printed_before_an_error_is_kept() {
    let error = Format::list("ps", "{{.ID}} {{.Foo}}").and_then(|format| format.render_list(&[], vec![row()]));
    assert_eq!(error.map_err(|error| error.partial).err().as_deref(), Some("7368bff9ddfe "));
}

#[test]
fn serialized_types_keep_order_names_and_times() {
    #[derive(Serialize)]
    #[serde(rename = "time.Time")]
    struct Time(&'static str);
    #[derive(Serialize)]
    #[serde(rename = "*define.State", rename_all = "PascalCase")]
    struct State {
        status: &'static str,
        started_at: Time,
        pid: i32,
        health: Option<String>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Container {
        id: &'static str,
        state: State,
    }
    let data =
        Container { id: "abc", state: State { status: "running", started_at: Time("2026-11-21T10:01:02.5Z"), pid: 7, health: None } };
    let print = |format: &str| match Format::list("inspect", format).and_then(|format| format.render_list(&[], vec![from_serialize(&data)]))
    {
        Ok(text) => text,
        Err(error) => error.to_string(),
    };
    assert_eq!(print("{{.Id}}{{.ID}} {{.State}}"), "abcabc {running 2026-11-21 10:01:02.5 +0000 UTC 7 <nil>}\n");
    assert_eq!(print("{{json .}}"), serde_json::to_string(&data).unwrap_or_default() + "\n");
    assert_eq!(print("{{printf \"%s\" .State.StartedAt}}"), "2026-11-21 10:01:02.5 +0000 UTC\n");
    assert!(print("{{.State.Foo}}").ends_with("at <.State.Foo>: can't evaluate field Foo in type *define.State"));
}

//! `openapi.json` and `docs/local-api.md` say what is so: every route is in the document and nothing else, its examples
//! are taken, real answers are as its schemas have them, and the commands of the documentation work.

use super::*;
use std::collections::{BTreeSet, HashMap};

const DOCUMENTATION: &str = include_str!("../../../../docs/local-api.md");

struct Document(Value);

impl Document {
    async fn fetch(till: &Till) -> Self {
        let path = "/api/v1/openapi.json";
        let answer = till.desk.send(&request("GET", till.desk.address, path, "", "")).await;
        assert_eq!(answer.status, 200, "it needs no token: {answer:?}");
        Document(serde_json::from_str(&answer.body).unwrap())
    }

    /// As (method, path, operation).
    fn operations(&self) -> Vec<(String, String, &Value)> {
        let mut found = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                found.push((method.to_uppercase(), path.clone(), operation));
            }
        }
        found
    }

    fn resolve<'d>(&'d self, value: &'d Value) -> &'d Value {
        let Some(reference) = value["$ref"].as_str() else { return value };
        let pointer = reference.strip_prefix('#').unwrap();
        self.resolve(self.0.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")))
    }

    /// What of JSON Schema 2020-12 the document uses. A word that is not known here fails, so that none goes unchecked.
    fn check(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let schema = self.resolve(schema);
        let wrong = |what: &str| Err(format!("{at}: {what}: {value}"));
        for (word, wanted) in schema.as_object().unwrap() {
            match word.as_str() {
                "type" => {
                    let names: Vec<&str> = match wanted {
                        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
                        name => vec![name.as_str().unwrap()],
                    };
                    if !names.iter().any(|name| is_of_type(value, name)) {
                        return wrong(&format!("not a {names:?}"));
                    }
                }
                "enum" if !wanted.as_array().unwrap().contains(value) => return wrong("not in the enum"),
                "const" if wanted != value => return wrong("not the constant"),
                "required" => {
                    for name in wanted.as_array().unwrap().iter().filter_map(Value::as_str) {
                        if value.get(name).is_none() {
                            return wrong(&format!("without {name}"));
                        }
                    }
                }
                "properties" => {
                    for (name, inner) in wanted.as_object().unwrap() {
                        if let Some(value) = value.get(name) {
                            self.check(inner, value, &format!("{at}.{name}"))?;
                        }
                    }
                }
                "additionalProperties" => {
                    let known = schema.get("properties").and_then(Value::as_object);
                    let names = value.as_object().into_iter().flatten().map(|(name, _)| name);
                    for name in names {
                        if known.is_none_or(|known| !known.contains_key(name)) {
                            return wrong(&format!("{name} is not in the schema"));
                        }
                    }
                }
                "items" => {
                    for (place, one) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(wanted, one, &format!("{at}[{place}]"))?;
                    }
                }
                "oneOf" => {
                    let fits = |one: &&Value| self.check(one, value, at).is_ok();
                    if wanted.as_array().unwrap().iter().filter(fits).count() != 1 {
                        return wrong("not exactly one of oneOf");
                    }
                }
                "minimum" if value.as_i64().is_some_and(|value| value < wanted.as_i64().unwrap()) => {
                    return wrong("too small");
                }
                "maximum" if value.as_i64().is_some_and(|value| value > wanted.as_i64().unwrap()) => {
                    return wrong("too large");
                }
                "minLength" | "minItems" if length(value) < wanted.as_u64() => return wrong("too short"),
                "maxLength" | "maxItems" if length(value) > wanted.as_u64() && length(value).is_some() => {
                    return wrong("too long");
                }
                "format" => assert!(
                    wanted == "uuid"
                        && docket_protocol::ids::TicketId::parse(value.as_str().unwrap()).is_some()
                ),
                "enum" | "const" | "minimum" | "maximum" | "minLength" | "minItems" | "maxLength"
                | "maxItems" | "description" | "default" => {}
                word => panic!("{at}: this test does not know `{word}`"),
            }
        }
        Ok(())
    }

    /// Whether an answer is as the document has it for this operation.
    fn check_answer(&self, operation: &Value, answer: &Answer) {
        let responses = operation["responses"].as_object().unwrap();
        let name = answer.status.to_string();
        let response = responses.get(&name).or_else(|| responses.get("default"));
        let response = self.resolve(response.unwrap_or_else(|| panic!("no response {name}: {answer:?}")));
        let (media_type, content) = response["content"].as_object().unwrap().iter().next().unwrap();
        assert!(answer.head.contains(&format!("content-type: {media_type}")), "{answer:?}");
        if media_type != "text/event-stream" {
            let body = serde_json::from_str(&answer.body).unwrap();
            self.check(&content["schema"], &body, "answer").unwrap();
        }
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        name => panic!("this test does not know the type {name}"),
    }
}

fn length(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => Some(text.chars().count() as u64),
        Value::Array(items) => Some(items.len() as u64),
        _ => None,
    }
}

/// Prints whatever waits.
async fn print_all(till: &Till) {
    for printer in ["front", "back"] {
        let mut port = till.port(printer);
        loop {
            till.desk.spool().flush().await.unwrap();
            let waiting = till.desk.spool().counts().borrow().waiting_for(&PrinterName::new(printer));
            if waiting == 0 {
                break;
            }
            print(&mut port).await;
        }
    }
}

#[tokio::test]
async fn the_document_has_the_routes_and_its_examples_are_taken() {
    let till = Till::open().await;
    let document = Document::fetch(&till).await;
    let operations = document.operations();
    let written: BTreeSet<_> =
        operations.iter().map(|(method, path, _)| (method.clone(), path.clone())).collect();
    assert_eq!(written, counter::routes().collect());

    let accepted = till.order("k1").await;
    print_all(&till).await;
    let ready = json!({ "tickets": [{ "station": "front", "title": "x", "blocks": [{ "type": "cut" }] }] });
    let ready: Value = serde_json::from_str(&till.post("/api/v1/tickets", "k2", &ready).await.body).unwrap();
    let mut examples = 0;
    for (method, path, operation) in &operations {
        let of_order = |path: &str| path.replace("{id}", "k1");
        let ticket = |list: &Value| list["tickets"][0]["id"].as_str().unwrap().to_owned();
        let path = match path.as_str() {
            "/api/v1/tickets/{id}/cancel" => path.replace("{id}", &ticket(&ready)),
            path if path.starts_with("/api/v1/tickets/") => path.replace("{id}", &ticket(&accepted)),
            path => of_order(path),
        };
        if method == "GET" {
            let answer = till.get(&path).await;
            assert_eq!(answer.status, 200, "{path} {answer:?}");
            document.check_answer(operation, &answer);
            continue;
        }
        let content = &operation["requestBody"]["content"]["application/json"];
        for (name, example) in content["examples"].as_object().unwrap() {
            document.check(&content["schema"], &example["value"], name).unwrap();
            let answer = till.post(&path, &format!("example-{examples}"), &example["value"]).await;
            assert!((200..300).contains(&answer.status), "{path} {name}: {answer:?}");
            document.check_answer(operation, &answer);
            examples += 1;
        }
        // And what is refused.
        let refused = till.post(&path, "refused", &json!({ "unknown": 1 })).await;
        assert_eq!(refused.code(), "body-form", "{path}");
        document.check_answer(operation, &refused);
    }
    assert_eq!(examples, 6);
    for (order, state) in [("k1", "cancelled"), ("example-1", "waiting")] {
        let state_of = till.state(&format!("/api/v1/orders/{order}")).await;
        assert_eq!(state_of["state"], state, "{state_of}");
    }
    // Bodies that the document does not have are not taken either.
    let order_schema = json!({ "$ref": "#/components/schemas/Order" });
    assert!(document.check(&order_schema, &order(), "order").is_ok());
    assert!(document.check(&order_schema, &json!({ "number": "17" }), "order").is_err());
}

/// From one `curl` at the beginning of a line to the next.
fn commands(documentation: &str) -> Vec<String> {
    let blocks = documentation.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut commands: Vec<String> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        match commands.last_mut() {
            _ if line.starts_with("curl ") => commands.push(format!("{line}\n")),
            Some(command) if !line.starts_with(char::is_alphabetic) => command.push_str(&format!("{line}\n")),
            _ => {}
        }
    }
    commands
}

/// A command of the documentation: `curl` with the options that it uses there.
struct Curl {
    method: String,
    url: String,
    headers: String,
    body: String,
}

impl Curl {
    fn read(command: &str, variables: &HashMap<&str, String>) -> Self {
        let mut curl =
            Curl { method: String::new(), url: String::new(), headers: String::new(), body: String::new() };
        let words = words(command, variables);
        let mut words = words.iter().map(String::as_str);
        assert_eq!(words.next(), Some("curl"));
        let next = |words: &mut dyn Iterator<Item = &str>| words.next().unwrap().to_owned();
        while let Some(word) = words.next() {
            match word {
                "-sS" | "-N" => {}
                "-X" => curl.method = next(&mut words),
                "-H" => curl.headers.push_str(&format!("{}\r\n", next(&mut words))),
                "-d" => curl.body = next(&mut words),
                url if url.starts_with("http") => curl.url = url.to_owned(),
                other => panic!("this test does not know {other} in {command}"),
            }
        }
        if curl.method.is_empty() {
            curl.method = if curl.body.is_empty() { "GET" } else { "POST" }.into();
        }
        curl
    }
}

/// Words as a shell has them, with quotation marks and variables.
fn words(command: &str, variables: &HashMap<&str, String>) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.replace("\\\n", " ").chars() {
        match (quote, c) {
            (Some(mark), c) if c == mark => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            // In single marks a variable is text, as a shell has it.
            (Some('\''), '$') => word.get_or_insert_default().push('\u{0}'),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "an open quotation mark in {command}");
    words.extend(word);
    let fill = |word: String| {
        let filled =
            variables.iter().fold(word, |word, (name, value)| word.replace(&format!("${name}"), value));
        assert!(!filled.contains('$'), "a variable that is not set: {filled}");
        filled.replace('\u{0}', "$")
    };
    words.into_iter().map(fill).collect()
}

#[tokio::test]
async fn the_commands_of_the_documentation_work() {
    let till = Till::open().await;
    let document = Document::fetch(&till).await;
    let address = till.desk.address.to_string();
    let mut variables =
        HashMap::from([("TOKEN", till.token.clone()), ("API", format!("http://{address}/api/v1"))]);
    let commands = commands(DOCUMENTATION);
    assert!(commands.len() >= 8, "{commands:#?}");
    let mut asked = BTreeSet::new();
    for command in &commands {
        let curl = Curl::read(command, &variables);
        let path = curl.url.strip_prefix(&format!("http://{address}")).unwrap();
        let answer =
            till.desk.send(&request(&curl.method, till.desk.address, path, &curl.headers, &curl.body)).await;
        assert!((200..300).contains(&answer.status), "{command}\n{answer:?}");
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        let operations = document.operations();
        let fits = |template: &str| {
            let (one, other) = (template.split('/'), path.split('/'));
            template.split('/').count() == path.split('/').count()
                && one.zip(other).all(|(template, segment)| template == "{id}" || template == segment)
        };
        let (method, template, operation) = operations
            .iter()
            .find(|(method, template, _)| *method == curl.method && fits(template))
            .unwrap_or_else(|| panic!("not in the document: {command}"));
        document.check_answer(operation, &answer);
        asked.insert((method.clone(), template.clone()));
        if let Ok(body) = serde_json::from_str::<Value>(&answer.body)
            && let Some(ticket) = body["tickets"][0]["id"].as_str()
        {
            variables.insert("TICKET", ticket.to_owned());
        }
        // A store's printers print; but the ticket that is taken back has to wait for that.
        if !curl.body.contains("等一下") {
            print_all(&till).await;
        }
    }
    assert_eq!(asked, counter::routes().collect(), "every address has a command");
}

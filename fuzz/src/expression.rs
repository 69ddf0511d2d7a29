//! PQL: any text parses or is refused with its place; what is printed parses again to the same.

/// One input.
pub fn parse(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match pql::parse(&text) {
        Ok(ast) => {
            let printed = ast.to_string();
            let again = pql::parse(&printed).unwrap_or_else(|error| panic!("{}: {printed}", error.render(&printed)));
            assert_eq!(again.to_string(), printed, "from {text:?}");
        }
        Err(diagnostics) => {
            assert!(!diagnostics.render(&text).is_empty());
            for diagnostic in diagnostics.iter() {
                let (line, column) = diagnostic.line_column(&text);
                assert!(line >= 1 && column >= 1 && line <= text.split('\n').count());
            }
        }
    }
}

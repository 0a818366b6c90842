//! Mistakes in policies are named, with file, line and remedy.

use super::{FILES, PolicyFiles, PolicySet, shipped, with};

/// One mistake a line: file; a text in it; what replaces it; how many lines below the text the
/// mistake is reported, or `-` for the file as a whole; a part of the message; one of the remedy.
const MISTAKES: &str = r#"
purposes.yaml ; output: row ; output: rows ; 0 ; not a word ; `row`, `aggregate`
purposes.yaml ; output: aggregate\n ; output: aggregate\n    people_min: 1\n ; 1 ; no number of people ; such as 10
purposes.yaml ; output: aggregate\n ; output: row\n    people_min: 20\n ; -3 ; no totals ; remove
purposes.yaml ; basis: {default: contract} ; basis: {} ; 0 ; `default` is missing ; add
purposes.yaml ; cn: consent ; atlantis: consent ; 0 ; `atlantis` is not a known ; `cn`
purposes.yaml ; key: essential.service ; key: essential.fraud_detection ; 3 ; twice ; keep one
purposes.yaml ; output: row\n ; name: Row\n ; 0 ; not valid YAML: duplicate ; correct
purposes.yaml ; description: Operating ; descripton: Operating ; 0 ; unknown key `descripton` ; `description`
purposes.yaml ; - key: essential\n ; - key: esential\n ; 5 ; parent of `essential.service` is missing ; key: essential
purposes.yaml ; key: essential.service ; key: Essential.Service ; 0 ; not a purpose ; correct
purposes.yaml ; - key: personalize\n ; - key: guardian\n ; 0 ; `guardian` is reserved ; another name
purposes.yaml ; - key: personalize\n ; - key: separate.sharing\n ; 0 ; `separate` is reserved ; another name
purposes.yaml ; version: 1 ; version: 2 ; 0 ; unknown version ; `version: 1`
purposes.yaml ; version: 1\n ; \n ; 2 ; `version` is missing ; `version: 1`
purposes.yaml ; analyst: analytics ; analyst: marketing ; 0 ; cannot be asked for ; `analytics`
purposes.yaml ; analyst: analytics ; analist: analytics ; 0 ; not a role ; `analyst`
purposes.yaml ; analyst: analytics ; analyst: personalize ; 0 ; may not act for ; permit `use`
purposes.yaml ; name: Essential ; name: [Essential ; 1 ; not valid YAML ; correct
purposes.yaml ; name: Essential ; name: [] ; 0 ; a text is wanted ; write a text
categories.yaml ; default_mask: email ; default_mask: mail ; 0 ; not a word ; `email`
categories.yaml ; , special: true ; , special: yes please ; 0 ; is a flag ; `true`
categories.yaml ; key: user.behavior.search_history ; key: user.behavior ; 0 ; twice ; keep one
categories.yaml ; categories: ; category: ; 0 ; unknown key `category` ; `categories`
regimes.yaml ; answer: {months: 1} ; answer: {weeks: 4} ; 0 ; not a word ; `days`
regimes.yaml ; answer: {months: 1} ; answer: soon ; 0 ; not a span of time ; {days: 30}
regimes.yaml ; jurisdictions: [eu] ; jurisdictions: eu ; 0 ; a list is wanted ; `-`
retention.yaml ; until: P10Y ; until: ten years ; 0 ; not an ISO 8601 period ; `forever`
retention.yaml ; keep: {until: P10Y} ; keep: {} ; 0 ; `until` is missing ; add
retention.yaml ; keep: {until: P10Y} ; ; -3 ; says nothing ; `show`, `keep`
retention.yaml ; keep: {until: P10Y} ; purposes: [analytics]\n    keep: {until: P10Y} ; 1 ; for all purposes or none ; of its own
retention.yaml ; keep: {until: P10Y} ; keep: {until: P10Y}\n    show: {until: P11Y} ; 1 ; longer than they are kept ; shorten
retention.yaml ; , undated: shown} ; , undated: yes} ; 0 ; not a word ; `hidden`
retention.yaml ; [analytics, functional] ; [analysis] ; 0 ; `analysis` is not in purposes.yaml ; correct
retention.yaml ; [analytics, functional] ; [] ; 0 ; selects nothing ; remove `purposes`
retention.yaml ; [user.location.precise] ; [user.location.exact] ; 0 ; is not in categories.yaml ; correct
retention.yaml ; contracts: [pos_orders] ; jurisdictions: [atlantis] ; 0 ; not a known jurisdiction ; `cn`
retention.yaml ; contracts: [pos_orders] ; tables: [orders] ; 0 ; not a table name ; correct
retention.yaml ; id: behaviour_is_kept_for_three_years ; id: purchases_are_kept_for_the_books ; 0 ; twice ; keep one
access.cedar ; Category::"user.behavior" ; Category::"user.behaviour" ; 0 ; is not in categories.yaml ; correct
access.cedar ; Purpose::"analytics" ; Purpose::"analysis" ; 0 ; is not in purposes.yaml ; correct
access.cedar ; Role::"analyst" ; Role::"analist" ; 0 ; analist ; 
access.cedar ; @id("analysts_see_facts") ; ; 1 ; without `@id` ; @id
access.cedar ; @id("analysts_see_facts") ; @id("analysts_use_analytics") ; 0 ; twice ; an id of its own
access.cedar ; context.sensitive ; context.sensible ; 0 ; sensible ; sensitive
access.cedar ; context.sensitive } ; context.sensitive ; 1 ; unexpected token ; 
access.cedar ; Action::"ingest" ; Action::"digest" ; 0 ; digest ; 
access.cedar ; Action::"ingest", resource ; Action::"ingest", resource in Category::"user" ; -1 ; ingest ; 
access.cedar ; principal in Role::"engineer" ; principal == ?principal ; -1 ; templates ; a rule of its own
access.cedarschema ; in [Purpose] ; in [Porpoise] ; 0 ; Porpoise ; 
access.cedarschema ; entity Role enum [ ; entity Role enum ; 0 ; unexpected token ; 
access.cedarschema ; content: Bool, ; ; - ; `readClear` is missing or does not fit ; schema that ships
access.cedarschema ; entity Category in [Category]; ; entity Category; ; - ; do not fit the schema ; in [Category]
"#;

#[test]
fn every_mistake_names_file_line_and_remedy() {
    let mut failures = String::new();
    for mistake in MISTAKES.lines().filter(|line| !line.is_empty()) {
        let fields: Vec<_> = mistake.split(" ;").map(|f| f.trim().replace("\\n", "\n")).collect();
        let [file, before, after, below, message, remedy] = fields.try_into().unwrap();
        let files = with(&file, |text| {
            assert!(text.contains(&before), "{mistake}");
            text.replacen(&before, &after, 1)
        });
        let shipped = shipped();
        let (above, _) = shipped.text(&file).unwrap().split_once(&before).unwrap();
        let line = below.parse::<i32>().ok().map(|below| {
            u32::try_from(i32::try_from(above.matches('\n').count()).unwrap() + 1 + below).unwrap()
        });
        let problems = PolicySet::load(&files).err().unwrap_or_default();
        let named = problems.iter().any(|problem| {
            problem.file == file
                && problem.line == line
                && problem.column.is_some() == line.is_some()
                && problem.message.contains(&message)
                && problem.remedy.contains(&remedy)
                && !problem.remedy.is_empty()
        });
        if !named {
            let found: String = problems.iter().map(|problem| format!("    {problem}\n")).collect();
            failures += &format!("{mistake} (wanted line {line:?})\n{found}");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn a_missing_file_is_named() {
    for missing in FILES {
        let shipped = shipped();
        let files = PolicyFiles::from_pairs(
            FILES
                .into_iter()
                .filter(|name| *name != missing)
                .map(|name| (name, shipped.text(name).unwrap())),
        );
        let problems = PolicySet::load(&files).unwrap_err();
        assert_eq!(
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [format!("{missing}: the file is missing (add it to the policies folder)")]
        );
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let shipped = shipped();
    let spoilt = FILES.map(|name| {
        let text = shipped.text(name).unwrap();
        let text = match name {
            "purposes.yaml" => text.replace("output: row", "output: rows"),
            "categories.yaml" => text.replace("default_mask: phone", "default_mask: fone"),
            "access.cedar" => text.replace("Category::\"user.name\"", "Category::\"user.nam\""),
            _ => text.to_owned(),
        };
        (name, text)
    });
    let problems = PolicySet::load(&PolicyFiles::from_pairs(spoilt)).unwrap_err();
    let count = |file| problems.iter().filter(|problem| problem.file == file).count();
    assert!(count("purposes.yaml") >= 5, "{problems:#?}");
    assert_eq!(count("categories.yaml"), 2);
    assert!(count("access.cedar") >= 1);
    assert!(problems.is_sorted());
}

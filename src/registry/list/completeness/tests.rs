use super::super::ListReader;
use super::super::page_summary::{LACKS, LINKS, MORE, TOTALS};
use super::*;

fn page(body: &str) -> PageSummary {
    let mut list = ListReader::new(body.as_bytes().to_vec());
    while list.next().unwrap_or_else(|error| panic!("{body}: {error}")).is_some() {}
    list.page
}

/// The result of reading these pages: where each page leads, or why the list is not whole. A body
/// after `->` has a link to the next page.
fn read(bodies: &[&str]) -> Result<Vec<Option<u64>>, IncompleteList> {
    let mut pages = Completeness::default();
    let add = |body: &&str| {
        let linked = body.strip_prefix("->");
        pages.add(&page(linked.unwrap_or(body)), linked.is_some())
    };
    bodies.iter().map(add).collect()
}

/// The entries from one number to before another.
fn entries(from: u64, to: u64) -> String {
    format!("[{}]", (from..to).map(|n| n.to_string()).collect::<Vec<_>>().join(","))
}

fn authlete(from: u64, to: u64, end: u64, total: u64) -> String {
    let clients = entries(from, to);
    format!(r#"{{"start":{from},"end":{end},"totalCount":{total},"clients":{clients}}}"#)
}

fn below(member: &'static str, entries: u64, total: u64) -> IncompleteList {
    IncompleteList::BelowTotal { member, entries, total }
}

#[test]
fn authletes_pages_are_read_until_the_total_is_reached() {
    let pages = [authlete(0, 5, 5, 9), authlete(5, 7, 7, 9), authlete(7, 9, 507, 9)];
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    assert_eq!(read(&pages), Ok(vec![Some(5), Some(7), None]));
    // `end` is the requested end, even if the list ends before it.
    assert_eq!(read(&[&authlete(0, 9, 500, 9)]), Ok(vec![None]));
    assert_eq!(read(&[&authlete(0, 0, 5, 0)]), Ok(vec![None]));
    // The members may be in any order, and more entries than stated are accepted.
    let after = r#"{"clients":[1,2],"totalCount":3,"end":2,"start":0}"#;
    let around = r#"{"totalCount":3,"start":2,"clients":[3,4],"end":502}"#;
    assert_eq!(read(&[after, around]), Ok(vec![Some(2), None]));
    let quoted = r#"{"clients":[1,2],"totalCount":"3","end":"2","start":"0"}"#;
    assert_eq!(read(&[quoted]), Ok(vec![Some(2)]));
}

#[test]
fn authletes_pages_that_are_not_a_whole_list() {
    let first = authlete(0, 5, 5, 9);
    let below = |entries, total| below("totalCount", entries, total);
    let wrong_start = |start: Option<u64>| IncompleteList::WrongStart { requested: 5, start };
    for (second, expected) in [
        (authlete(5, 5, 505, 9), IncompleteList::EmptyPage { entries: 5, total: 9 }),
        (authlete(5, 10, 10, 10), IncompleteList::TotalChanged { before: 9, now: 10 }),
        (authlete(5, 8, 8, 8), IncompleteList::TotalChanged { before: 9, now: 8 }),
        (authlete(5, 8, 9, 9), below(8, 9)),
        (authlete(5, 8, 505, 9), below(8, 9)),
        (authlete(5, 8, 5, 9), below(8, 9)),
        (authlete(0, 5, 5, 9), wrong_start(Some(0))),
        (authlete(6, 10, 10, 9), wrong_start(Some(6))),
        ("[5,6,7,8]".to_owned(), wrong_start(None)),
        (r#"{"start":5,"totalCount":9,"clients":[5,6,7,8]}"#.to_owned(), wrong_start(None)),
        (format!("->{}", authlete(0, 5, 5, 9)), wrong_start(Some(0))),
    ] {
        assert_eq!(read(&[&first, &second]), Err(expected), "{second}");
    }
    assert_eq!(
        read(&[&authlete(0, 0, 5, 9)]),
        Err(IncompleteList::EmptyPage { entries: 0, total: 9 })
    );
    assert_eq!(
        read(&[&authlete(2, 5, 5, 9)]),
        Err(IncompleteList::WrongStart { requested: 0, start: Some(2) })
    );
    assert_eq!(read(&[&authlete(0, 4, 9, 9)]), Err(below(4, 9)));
    // The same where a link leads to the second page.
    let linked = format!("->{first}");
    assert_eq!(read(&[&linked, "[6,7,8,9]"]), Ok(vec![None, None]));
    assert_eq!(read(&[&linked, "[6,7,8]"]), Err(below(8, 9)));
    assert_eq!(read(&[&linked, &authlete(5, 8, 8, 9)]), Err(below(8, 9)));
    assert_eq!(
        read(&[&linked, &authlete(5, 10, 10, 10)]),
        Err(IncompleteList::TotalChanged { before: 9, now: 10 })
    );
}

#[test]
fn a_server_that_sends_the_first_page_again_is_detected() {
    let (first, second) = (authlete(0, 5, 5, 9), authlete(5, 9, 505, 9));
    let second = second.replace("[5,6,7,8]", "[0,1,2,3]");
    assert_eq!(read(&[&first, &second]), Err(IncompleteList::RepeatedPage));
    assert_eq!(read(&["->[1,2]", "->[3]", "[ 1]"]), Err(IncompleteList::RepeatedPage));
    assert_eq!(read(&["->[1,2]", "->[]", "[]"]), Ok(vec![None, None, None]));
}

#[test]
fn a_total_above_the_number_of_entries() {
    for member in TOTALS {
        for (value, total) in [("3", 3), ("\"3\"", 3), ("2.5", 3), ("1e3", 1000)] {
            let expected = below(member, 2, total);
            for body in [
                format!(r#"{{"clients":[1,2],"{member}":{value}}}"#),
                format!(r#"{{"{member}":{value},"clients":[1,2]}}"#),
            ] {
                assert_eq!(read(&[&body]), Err(expected), "{body}");
                assert_eq!(Completeness::of_single_page(&page(&body)), Err(expected), "{body}");
            }
        }
        // All pages count, and the largest total that any of them states.
        let first = format!(r#"->{{"clients":[1,2],"{member}":4}}"#);
        assert_eq!(read(&[&first, "[3,4]"]), Ok(vec![None, None]));
        assert_eq!(read(&[&first, "[3]"]), Err(below(member, 3, 4)));
    }
    let two = r#"{"clients":[1,2],"total":2,"totalResults":3}"#;
    assert_eq!(read(&[two]), Err(below("totalResults", 2, 3)));
}

#[test]
fn a_total_that_is_reached_or_not_stated() {
    for member in TOTALS {
        for value in [
            "2",
            "1",
            "0",
            "null",
            "false",
            "\"\"",
            "[]",
            "{}",
            "-1",
            "\"-1\"",
            "\"2\"",
            "1.5",
            "{\"value\":null}",
            "{\"value\":2}",
            "{\"relation\":\"eq\",\"value\":1}",
        ] {
            let body = format!(r#"{{"clients":[1,2],"{member}":{value}}}"#);
            assert_eq!(read(&[&body]), Ok(vec![None]), "{body}");
            assert_eq!(Completeness::of_single_page(&page(&body)), Ok(()), "{body}");
        }
    }
}

#[test]
fn a_total_that_is_not_a_number() {
    for member in TOTALS {
        for value in [
            "true",
            "\"many\"",
            "{\"of\":2}",
            "[2]",
            "{\"value\":2,\"relation\":\"gte\"}",
            "{\"value\":2,\"value\":3}",
            "\"null\"",
            "\" \"",
            "1e400",
            "\"\\udfff\"",
        ] {
            let body = format!(r#"{{"clients":[1,2],"{member}":{value}}}"#);
            assert_eq!(read(&[&body]), Err(IncompleteList::NotANumber(member)), "{body}");
            assert_eq!(read(&[&format!("->{body}"), "[3]"]), Ok(vec![None, None]), "{body}");
        }
    }
}

#[test]
fn a_member_that_states_that_something_is_missing() {
    for member in LACKS {
        let lacking = Err(IncompleteList::Lacking(member));
        for value in ["true", "\"db\"", "[{\"message\":\"shard 2\"}]", "{\"code\":5}"] {
            let body = format!(r#"{{"clients":[1],"{member}":{value}}}"#);
            assert_eq!(read(&[&body]), lacking, "{body}");
            // On a page that is not the last, too.
            assert_eq!(read(&[&format!("->{body}"), "[2]"]), lacking, "{body}");
        }
        for value in ["null", "false", "[]", "{}", "\"\""] {
            let body = format!(r#"{{"clients":[1],"{member}":{value}}}"#);
            assert_eq!(read(&[&body]), Ok(vec![None]), "{body}");
        }
    }
}

#[test]
fn a_member_that_states_that_there_is_more() {
    for member in MORE {
        let more = IncompleteList::MoreStated(member);
        for value in [
            "true",
            "1",
            "\"x\"",
            "{\"href\":\"/2\"}",
            "[\"x\"]",
            "\"/clients?page=2\"",
            // Any text may be a page token.
            "\"0\"",
            "\"null\"",
            "\"False\"",
            "\" \"",
            "\"\\ud800\"",
            "1e400",
        ] {
            for body in [
                format!(r#"{{"clients":[1],"{member}":{value}}}"#),
                format!(r#"{{"{member}":{value},"clients":[1]}}"#),
            ] {
                assert_eq!(read(&[&body]), Err(more), "{body}");
                assert_eq!(Completeness::of_single_page(&page(&body)), Err(more), "{body}");
                assert_eq!(read(&[&format!("->{body}"), "[2]"]), Ok(vec![None, None]), "{body}");
            }
        }
        for value in ["null", "false", "0", "\"\"", "[]", "{}", "0.0", "{\"href\":null}"] {
            let body = format!(r#"{{"clients":[1],"{member}":{value}}}"#);
            assert_eq!(read(&[&body]), Ok(vec![None]), "{body}");
        }
    }
    // Only statements about the list count, not those about a client or about anything else.
    let inner = r#"{
        "clients": [{"next": "x", "totalCount": 9}],
        "realm": {"next": "x"}, "nextUpdate": 7, "limit": 100, "start": 0
    }"#;
    assert_eq!(read(&[inner]), Ok(vec![None]));
}

#[test]
fn links_in_the_body_that_lead_to_a_next_page() {
    for (links, has_next) in [
        (r#"{"next":{"href":"/2"}}"#, true),
        (r#"{"next":"/2"}"#, true),
        (r#"{"self":{"href":"/1"}}"#, false),
        (r#"{"next":{"href":""}}"#, false),
        (r#"{"next":null,"prev":"/0"}"#, false),
        ("{}", false),
        ("null", false),
        ("[]", false),
        ("\"next\"", false),
        (r#"[{"rel":"self","href":"/1"},{"rel":"next","href":"/2"}]"#, true),
        (r#"[{"rel":"last NEXT","href":"/2"}]"#, true),
        (r#"[{"rel":["prev","next"],"href":"/2"}]"#, true),
        (r#"[{"rel":"next"}]"#, true),
        (r#"[{"rel":"next","href":null}]"#, false),
        (r#"[{"rel":"nextish","href":"/2"},{"href":"next"},7]"#, false),
    ] {
        for member in LINKS {
            let body = format!(r#"{{"clients":[1],"{member}":{links}}}"#);
            let more = Err(IncompleteList::MoreStated(member));
            assert_eq!(read(&[&body]), if has_next { more } else { Ok(vec![None]) }, "{body}");
        }
    }
}

#[test]
fn statements_in_another_spelling_or_one_level_down() {
    let below = |member, total| below(member, 1, total);
    let more = IncompleteList::MoreStated;
    for (members, expected) in [
        (r#""TotalCount":2"#, below("totalCount", 2)),
        (r#""Total":2"#, below("total", 2)),
        (r#""total-results":2"#, below("totalResults", 2)),
        (r#""totalElements":2"#, below("totalElements", 2)),
        (r#""total_items":2"#, below("totalItems", 2)),
        (r#""TotalRecords":2"#, below("totalRecords", 2)),
        (r#""@odata.count":2"#, below("@odata.count", 2)),
        (r#""total":{"value":2,"relation":"eq"}"#, below("total", 2)),
        (r#""total":{"Value":1,"Relation":"gte"}"#, IncompleteList::NotANumber("total")),
        (r#""HasMore":true"#, more("has_more")),
        (r#""NextToken":"0""#, more("nextToken")),
        (r#""nextToken":"x""#, more("nextToken")),
        (r#""continuationToken":"x""#, more("continuationToken")),
        (r#""IsTruncated":true"#, more("isTruncated")),
        (r#""is_truncated":"true""#, more("isTruncated")),
        (r#""response_metadata":{"next_cursor":"x"}"#, more("next_cursor")),
        (r#""responseMetadata":{"nextCursor":"x"}"#, more("next_cursor")),
        (r#""links":[{"rel":"\ud800"}]"#, more("links")),
        (r#""hasNext":true"#, more("hasNext")),
        (r#""next_cursor":"x""#, more("next_cursor")),
        (r#""nextCursor":"x""#, more("next_cursor")),
        (r#""next_page":2"#, more("next_page")),
        (r#""next_page_url":"/2""#, more("next_page_url")),
        (r#""nextLink":"/2""#, more("nextLink")),
        (r#""Links":[{"rel":"next"}]"#, more("links")),
        (r#""links":[{"relation":"next"}]"#, more("links")),
        (r#""links":[{"Rel":"Next","Href":"/2"}]"#, more("links")),
        (r#""links":{"Next":"/2"}"#, more("links")),
        (r#""last":false"#, more("last")),
        (r#""total_pages":3"#, more("total_pages")),
        (r#""totalPages":"2""#, more("total_pages")),
        (r#""last_page":2,"current_page":2"#, more("total_pages")),
        (r#""meta":{"total":2}"#, below("total", 2)),
        (r#""meta":{"pagination":{"total":2}}"#, below("total", 2)),
        (r#""Meta":{"Links":{"next":"/2"}}"#, more("links")),
        (r#""paging":{"next":"/p"}"#, more("next")),
        (r#""pagination":{"has_more":true}"#, more("has_more")),
        (r#""page":{"totalElements":5,"totalPages":2,"number":0}"#, below("totalElements", 5)),
        (r#""page":{"totalPages":2,"number":1}"#, more("total_pages")),
    ] {
        for body in
            [format!(r#"{{"clients":[1],{members}}}"#), format!(r#"{{{members},"clients":[1]}}"#)]
        {
            assert_eq!(read(&[&body]), Err(expected), "{body}");
            assert_eq!(Completeness::of_single_page(&page(&body)), Err(expected), "{body}");
            // On the first of two linked pages each of these statements is true.
            let linked = format!("->{body}");
            assert_eq!(read(&[&linked, "[2,3,4,5,6]"]), Ok(vec![None, None]), "{body}");
        }
    }
    // `totalCount` is Authlete's, and leads to a further page, only at the top level.
    let below_top = r#"{"clients":[1,2],"page":{"totalCount":3,"end":2,"start":0}}"#;
    assert_eq!(
        read(&[below_top]),
        Err(IncompleteList::BelowTotal { member: "totalCount", entries: 2, total: 3 })
    );
}

#[test]
fn statements_that_the_list_is_whole() {
    for members in [
        r#""last":true"#,
        r#""last":"/clients?page=1""#,
        r#""last":null"#,
        r#""total":1,"totalElements":1,"Total":1"#,
        r#""total":{"value":1,"relation":"eq"}"#,
        r#""page":{"number":0,"totalPages":1,"totalElements":1,"size":20}"#,
        r#""page":1,"pages":3,"count":9"#,
        r#""total_pages":1,"last_page":"/clients?page=3""#,
        r#""total_pages":0,"lastPage":null"#,
        r#""meta":{"next":null,"has_more":false,"links":{}},"paging":null,"pagination":[]"#,
        r#""meta":{"start":0,"end":1,"limit":100,"last":true}"#,
        r#""next_page":null,"nextLink":"","next_cursor":"","@odata.count":1"#,
        r#""Links":[{"Rel":"self","Href":"/2"}]"#,
        r#""clientsMeta":{"total":9}"#,
        r#""NextToken":null,"continuationToken":"","IsTruncated":false"#,
        r#""response_metadata":{"next_cursor":""}"#,
        r#""unused":1e400,"\ud800":"\ud800""#,
    ] {
        for body in
            [format!(r#"{{"clients":[1],{members}}}"#), format!(r#"{{{members},"clients":[1]}}"#)]
        {
            assert_eq!(read(&[&body]), Ok(vec![None]), "{body}");
            assert_eq!(Completeness::of_single_page(&page(&body)), Ok(()), "{body}");
        }
    }
    // Every page states the number of pages, also the last one.
    let of_three =
        |n: u64| format!(r#"{{"clients":[{n}],"page":{{"number":{n},"totalPages":3}}}}"#);
    let [first, second, third] = [0, 1, 2].map(of_three);
    let linked = [format!("->{first}"), format!("->{second}")];
    assert_eq!(read(&[&linked[0], &linked[1], &third]), Ok(vec![None; 3]));
    assert_eq!(read(&[&linked[0], &second]), Err(IncompleteList::MoreStated("total_pages")));
}

#[test]
fn as_many_entries_as_requested_may_not_be_all() {
    let exactly = |parameter, entries| Err(IncompleteList::ExactlyRequested { parameter, entries });
    for (path, body, expected) in [
        ("/c?max=2", "[1,2]", exactly("max", 2)),
        ("/c?limit=2", "[1,2]", exactly("limit", 2)),
        ("/c?x=1&per_page=2", "[1,2]", exactly("per_page", 2)),
        ("/c?pageSize=2&page=1", "[1,2]", exactly("pageSize", 2)),
        ("/c?page_size=2", "[1,2]", exactly("page_size", 2)),
        ("/c?max=9&limit=2", "[1,2]", exactly("limit", 2)),
        ("/c?size=2&page=0", "[1,2]", exactly("size", 2)),
        ("/c?startIndex=1&count=2", "[1,2]", exactly("count", 2)),
        ("/c?skip=0&take=2", "[1,2]", exactly("take", 2)),
        ("/c?top=2", "[1,2]", exactly("top", 2)),
        ("/c?$top=2", "[1,2]", exactly("$top", 2)),
        ("/c?%24Top=2", "[1,2]", exactly("$top", 2)),
        ("/c?$count=true", "[1,2]", Ok(())),
        ("/c?LIMIT=2", "[1,2]", exactly("limit", 2)),
        ("/c?perPage=2", "[1,2]", exactly("per_page", 2)),
        ("/c?%6cimit=2", "[1,2]", exactly("limit", 2)),
        ("/c?limit=%32", "[1,2]", exactly("limit", 2)),
        ("/c?page%5Fsize=+2", "[1,2]", exactly("page_size", 2)),
        ("/c?limit=%202%20", "[1,2]", exactly("limit", 2)),
        ("/c?limit%3D2&x=%26limit=2", "[1,2]", Ok(())),
        ("/c?limit=2", r#"{"clients":[1,2]}"#, exactly("limit", 2)),
        ("/c?limit=0", "[]", exactly("limit", 0)),
        ("/c?max=2", "[1]", Ok(())),
        ("/c?max=2", "[1,2,3]", Ok(())),
        ("/c?maxi=2&first=2", "[1,2]", Ok(())),
        ("/c?max=x&limit&", "[1,2]", Ok(())),
        ("/max=2", "[1,2]", Ok(())),
        // These state how many entries there are, or that there are no more.
        ("/c?limit=2", r#"{"clients":[1,2],"total":2}"#, Ok(())),
        ("/c?limit=2", r#"{"clients":[1,2],"has_more":false}"#, Ok(())),
        ("/c?limit=2", r#"{"clients":[1,2],"_links":{}}"#, Ok(())),
        ("/c?limit=2", r#"{"clients":[1,2],"Meta":{"Total":2}}"#, Ok(())),
        ("/c?limit=2", r#"{"clients":[1,2],"last":true}"#, Ok(())),
        ("/c?limit=2", r#"{"clients":[1,2],"total_pages":1}"#, Ok(())),
        ("/c?limit=0", r#"{"clients":[],"total":0}"#, Ok(())),
        (
            "/c?limit=2",
            r#"{"clients":[1,2],"last":"/c","last_page":"/c","meta":{},"page":1}"#,
            exactly("limit", 2),
        ),
    ] {
        assert_eq!(page(body).check_limit(path), expected, "{path} {body}");
    }
}

#[test]
fn a_member_whose_value_says_nothing_is_no_statement() {
    let exactly = Err(IncompleteList::ExactlyRequested { parameter: "limit", entries: 2 });
    let check = |members: &str| {
        let page = page(&format!(r#"{{"clients":[1,2],{members}}}"#));
        (page.check_limit("/c?limit=2"), Completeness::of_single_page(&page))
    };
    for total in TOTALS {
        for value in ["null", "false", "0", "1", "-1", "-0.5", "\"\"", "[]", "{\"value\":null}"] {
            let member = format!(r#""{total}":{value}"#);
            assert_eq!(check(&member), (exactly, Ok(())), "{member}");
            let member = format!(r#""meta":{{{member}}}"#);
            assert_eq!(check(&member), (exactly, Ok(())), "{member}");
        }
    }
    for members in [
        r#""cursor":"""#,
        r#""cursor":null"#,
        r#""cursor":false"#,
        r#""continuationToken":null"#,
        r#""has_more":null"#,
        r#""hasMore":"""#,
        r#""hasNext":0"#,
        r#""isTruncated":null"#,
        r#""links":null"#,
        r#""_links":"""#,
        r#""last":null"#,
        r#""total_pages":0"#,
        r#""last_page":-1"#,
        r#""meta":null,"paging":{},"pagination":[]"#,
        r#""response_metadata":{"has_more":null}"#,
    ] {
        assert_eq!(check(members), (exactly, Ok(())), "{members}");
    }
    // These say that there is no more.
    for members in [
        r#""next":null"#,
        r#""nextPageToken":"""#,
        r#""NextToken":null"#,
        r#""@odata.nextLink":null"#,
        r#""next_cursor":0"#,
        r#""response_metadata":{"next_cursor":""}"#,
        r#""links":[]"#,
        r#""_links":{"self":"/c"}"#,
        r#""has_more":false"#,
        r#""hasNext":false"#,
        r#""IsTruncated":false"#,
        r#""total":2"#,
        r#""total":"2","has_more":null"#,
    ] {
        assert_eq!(check(members), (Ok(()), Ok(())), "{members}");
    }
    // And these that there is: the error is that of the member.
    for member in MORE {
        let result = check(&format!(r#""{member}":"0""#));
        assert_eq!(result, (Ok(()), Err(IncompleteList::MoreStated(member))));
    }
    let result = check(r#""total":"many""#);
    assert_eq!(result, (Ok(()), Err(IncompleteList::NotANumber("total"))));
}

#[test]
fn totals_in_headers() {
    let exactly = Err(IncompleteList::ExactlyRequested { parameter: "limit", entries: 2 });
    let not_a_number = |name| Err(IncompleteList::NotANumber(name));
    let (count, range) = ("x-total-count", "content-range");
    for (name, value, limit, whole) in [
        (count, "2", Ok(()), Ok(())),
        (count, "3", Ok(()), Err(below(count, 2, 3))),
        (count, "1", exactly, Ok(())),
        (count, "0", exactly, Ok(())),
        (count, "", exactly, Ok(())),
        (count, "-1", exactly, Ok(())),
        (count, " -1 ", exactly, Ok(())),
        (count, "many", Ok(()), not_a_number(count)),
        (count, "-many", Ok(()), not_a_number(count)),
        (count, "2, 3", Ok(()), not_a_number(count)),
        (range, "items 0-1/2", Ok(()), Ok(())),
        (range, "items 0-1/5", Ok(()), Err(below(range, 2, 5))),
        (range, "clients 0-1/ 5", Ok(()), Err(below(range, 2, 5))),
        (range, "0-1/5", Ok(()), Err(below(range, 2, 5))),
        (range, "items 0-1/*", exactly, Ok(())),
        (range, "items 0-1/-1", exactly, Ok(())),
        (range, "bytes 0-99/100", exactly, Ok(())),
        (range, "items 0-1", Ok(()), not_a_number(range)),
        (range, "items 0-1/2, items 0-1/2", Ok(()), not_a_number(range)),
    ] {
        let mut page = page("[1,2]");
        page.add_headers(&|header| (header == name).then(|| value.to_owned()));
        assert_eq!(page.check_limit("/c?limit=2"), limit, "{name}: {value}");
        assert_eq!(Completeness::of_single_page(&page), whole, "{name}: {value}");
    }
}

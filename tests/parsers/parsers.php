<?php
// Reads bodies with PHP: by its web server, which fills $_POST, and by parse_str. Answers with the
// values that a program would look up.

const CREDENTIALS = ['client_id', 'client_secret', 'client_assertion', 'client_assertion_type'];

function leaves(mixed $value): array
{
    return is_array($value)
        ? array_merge([], ...array_map('leaves', array_values($value)))
        : [(string) $value];
}

function members(array $form): object
{
    return (object) array_map('leaves', array_intersect_key($form, array_flip(CREDENTIALS)));
}

header('content-type: application/json');
if ($_SERVER['REQUEST_METHOD'] === 'GET') {
    echo json_encode(['PHP $_POST' => PHP_VERSION, 'PHP parse_str' => PHP_VERSION]);
    return;
}
parse_str(file_get_contents('php://input'), $form);
$read = ['PHP $_POST' => members($_POST), 'PHP parse_str' => members($form)];
echo json_encode($read, JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR);

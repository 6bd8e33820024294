"""What findings and commands become: OCSF, CloudEvents, SARIF, text and pages for a person."""

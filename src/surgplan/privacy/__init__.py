"""What of a scan's headers identifies a patient, whether an output holds any of it, and how a lab finds a case."""
